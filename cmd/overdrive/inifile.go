package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// This file reads PgBouncer's configuration: sections of lines "key = value", %include, and the connection strings of [databases].

// iniSetting is one line of such a file.
type iniSetting struct {
	section, key, value string
	where               string // file and line
}

const (
	// maxIniBytes bounds each file, maxIniFiles how many may include each other.
	maxIniBytes = 4 << 20
	maxIniFiles = 100
)

// iniReader reads a file and those that it includes.
type iniReader struct {
	section  string
	settings []iniSetting
	files    int
}

func readIni(name string) ([]iniSetting, error) {
	r := &iniReader{}
	if err := r.file(name); err != nil {
		return nil, err
	}
	return r.settings, nil
}

func (r *iniReader) file(name string) error {
	if r.files++; r.files > maxIniFiles {
		return fmt.Errorf("%s: more than %d files include each other", name, maxIniFiles)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewScanner(io.LimitReader(f, maxIniBytes))
	in.Buffer(nil, maxIniBytes)
	for number := 1; in.Scan(); number++ {
		line := strings.TrimSpace(in.Text())
		where := fmt.Sprintf("%s:%d", filepath.Base(name), number)
		if included, found := strings.CutPrefix(line, "%include"); found {
			included = strings.TrimSpace(included)
			if !filepath.IsAbs(included) {
				included = filepath.Join(filepath.Dir(name), included)
			}
			if err := r.file(included); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		} else if err := r.line(line, where); err != nil {
			return err
		}
	}
	return in.Err()
}

func (r *iniReader) line(line, where string) error {
	switch {
	case line == "" || line[0] == ';' || line[0] == '#':
		return nil
	case line[0] == '[' && strings.HasSuffix(line, "]"):
		r.section = strings.TrimSpace(line[1 : len(line)-1])
		return nil
	}
	key, value, found := strings.Cut(line, "=")
	if quoted, rest, isQuoted := quotedKey(line); isQuoted {
		key = quoted
		_, value, found = strings.Cut(rest, "=")
	}
	if !found || r.section == "" {
		return fmt.Errorf("%s: must be a section or key = value", where)
	}
	r.settings = append(r.settings, iniSetting{r.section, strings.TrimSpace(key), strings.TrimSpace(value), where})
	return nil
}

// quotedKey takes a name in double quotes off the front of a line. Two of them stand for one.
func quotedKey(line string) (key, rest string, ok bool) {
	if line[0] != '"' {
		return "", "", false
	}
	for i := 1; i < len(line); i++ {
		if line[i] != '"' {
			continue
		}
		if i+1 < len(line) && line[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(line[1:i], `""`, `"`), line[i+1:], true
	}
	return "", "", false
}

// iniParameter is one of those of a connection string.
type iniParameter struct{ name, value string }

// connectionParameters takes a connection string apart: name=value, with values in single quotes in which two stand for one.
func connectionParameters(text string) ([]iniParameter, error) {
	var list []iniParameter
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, found := strings.Cut(text, "=")
		if !found {
			return nil, fmt.Errorf("want name=value, got %q", strings.Fields(text)[0])
		}
		rest = strings.TrimLeft(rest, " \t")
		p := iniParameter{name: strings.TrimSpace(name)}
		if strings.HasPrefix(rest, "'") {
			end := closingQuote(rest)
			if end < 0 {
				return nil, fmt.Errorf("the value of %s has no closing quote", p.name)
			}
			p.value, text = strings.ReplaceAll(rest[1:end], "''", "'"), rest[end+1:]
		} else {
			end := strings.IndexAny(rest, " \t")
			if end < 0 {
				end = len(rest)
			}
			p.value, text = rest[:end], rest[end:]
		}
		list = append(list, p)
	}
	return list, nil
}

// closingQuote is the place of the quote that ends a text which begins with one, or -1.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		return i
	}
	return -1
}
