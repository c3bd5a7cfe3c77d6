package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// This file is what the commands that read and edit the configuration file have in common: create, get, list, update, delete.

// editedFile names the file, and says how the answer is written.
type editedFile struct {
	name string
	json bool
}

// usualFile is the configuration file where nothing names one.
const usualFile = "overdrive.yaml"

func (f *editedFile) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "config", "", "configuration file (default: "+envConfig+", else "+usualFile+")")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON")
}

func (f *editedFile) options() config.Options {
	for _, name := range []string{f.name, os.Getenv(envConfig), usualFile} {
		if name != "" {
			return config.Options{File: name, Environment: true}
		}
	}
	return config.Options{}
}

// file is the name of the file.
func (f *editedFile) file() string { return f.options().File }

// databaseName takes one argument, the name of a database.
var databaseName = oneArgument("the database's name")

// unknownDatabase says that there is no such database, and which may be meant.
func unknownDatabase(name string, cfg *config.Config) error {
	nearest := config.NearestName(name, slices.Sorted(maps.Keys(cfg.Databases)))
	if nearest == "" {
		return fmt.Errorf("there is no database %q, nor any other", name)
	}
	return fmt.Errorf("there is no database %q; the nearest is %s", name, nearest)
}

// remark tells people what is not the answer.
func remark(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "overdrive: note: "+format+"\n", args...)
}

// remarkOnFile tells what may be wrong with a file that was written.
func remarkOnFile(w io.Writer, d *config.Draft, file string) {
	for _, p := range d.Unset() {
		remark(w, "not checked: %s", p)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
		remark(w, "%s can be read by others (mode %#o) and may hold passwords", file, info.Mode().Perm())
	}
}

// shownDatabase is what people and programs see of a database. Its names are those of Hyperdrive's API.
type shownDatabase struct {
	Name   string      `json:"name"`
	URL    string      `json:"url"` // without its password
	Origin shownOrigin `json:"origin"`

	Caching shownCaching `json:"caching"`
	Limit   int          `json:"origin_connection_limit"`
	Mode    string       `json:"pool_mode"`
	Users   []string     `json:"users"`
}

type shownOrigin struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"database"`
	User     string `json:"user"`
	SSLMode  string `json:"sslmode"`
}

// shownCaching has its times in seconds.
type shownCaching struct {
	Disabled bool    `json:"disabled"`
	MaxAge   float64 `json:"max_age"`
	Stale    float64 `json:"stale_while_revalidate"`
}

// show returns what is shown of a database.
func show(d *config.Draft, name string, db *config.Database) shownDatabase {
	up := &db.Upstream
	s := shownDatabase{
		Name: name, Limit: db.Pool.Size, Mode: string(db.Pool.Mode), Users: append([]string{}, db.Users...),
		Origin:  shownOrigin{Database: up.Database, User: up.User, SSLMode: string(up.SSLMode)},
		Caching: shownCaching{!db.Cache.Enabled, seconds(db.Cache.MaxAge), seconds(db.Cache.StaleWhileRevalidate)},
	}
	if up.Address != "" {
		place := endpoint(up.Place)
		s.Origin.Host, s.Origin.Port = place.Host, place.Port
	}
	text, _ := d.Text("databases", name, "url")
	if dsn, err := config.ParseDSN(text); err == nil {
		s.URL = dsn.String()
	}
	return s
}

func seconds(d config.Duration) float64 { return float64(d) / 1e9 }

// items are the lines that people see of a database.
func (s *shownDatabase) items() *table {
	t := &table{}
	add := func(name, value string) { t.rows = append(t.rows, [][]byte{[]byte(name), []byte(value)}) }
	add("name", s.Name)
	add("url", s.URL)
	add("host", s.Origin.Host)
	add("port", strconv.Itoa(s.Origin.Port))
	add("database", s.Origin.Database)
	add("user", s.Origin.User)
	add("sslmode", s.Origin.SSLMode)
	add("caching", s.Caching.String())
	add("origin_connection_limit", strconv.Itoa(s.Limit))
	add("pool_mode", s.Mode)
	for _, user := range s.Users {
		add("further user", user)
	}
	return t
}

func (c shownCaching) String() string {
	if c.Disabled {
		return "disabled"
	}
	return fmt.Sprintf("max_age %vs, stale_while_revalidate %vs", c.MaxAge, c.Stale)
}
