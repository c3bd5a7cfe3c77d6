package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"overdrive/config"
)

func importCommand() *cobra.Command {
	var file editedFile
	var star []string
	cmd := &cobra.Command{
		Use:   "import pgbouncer.ini",
		Short: "Make a configuration file from one of PgBouncer",
		Long: "Make a configuration file that does what a file of PgBouncer says, and name each setting that has no counterpart. The file\n" +
			"that is made must not be there. What PgBouncer does by default is written down where Overdrive's default is another.",
		Args: oneArgument("a file of PgBouncer"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := readIni(args[0])
			if err != nil {
				return err
			}
			made, err := importBouncer(settings, filepath.Dir(args[0]), filepath.Dir(file.file()), star)
			if err != nil {
				return err
			}
			written, err := config.Edit(file.options(), made.write)
			if err != nil {
				return err
			}
			remarkOnFile(cmd.ErrOrStderr(), written, file.file())
			return made.report(cmd, &file)
		},
	}
	file.addTo(cmd)
	cmd.Flags().StringSliceVar(&star, "database", nil, "databases to write for the entry *, with commas between them")
	return cmd
}

// write puts all of it into a new file.
func (m *imported) write(d *config.Draft) error {
	if !d.IsNew() {
		return fmt.Errorf("the file is there already: name another one with --config")
	}
	for _, e := range m.top {
		if err := d.Set(e.Value, e.Key); err != nil {
			return err
		}
	}
	for _, db := range m.databases {
		if err := d.Set(db.table, "databases", db.name); err != nil {
			return err
		}
	}
	return nil
}

// report says what was done, and what was left out.
func (m *imported) report(cmd *cobra.Command, file *editedFile) error {
	out := cmd.OutOrStdout()
	if file.json {
		names := []string{}
		for _, db := range m.databases {
			names = append(names, db.name)
		}
		return writeJSON(out, map[string]any{"config": file.file(), "databases": names, "missing": append([]missing{}, m.missing...)})
	}
	fmt.Fprintf(out, "written  %s with %d databases; try it: overdrive check --config %s\n", file.file(), len(m.databases), file.file())
	if len(m.missing) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nWithout a counterpart:\n\n")
	t := &table{columns: []string{"setting", "where", "why"}}
	for _, one := range m.missing {
		t.rows = append(t.rows, [][]byte{[]byte(one.Setting), []byte(one.Where), []byte(one.Why)})
	}
	return t.print(out)
}
