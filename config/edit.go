package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file edits a configuration file for programs. What an edit does not name stays as it was, byte for byte: comments, order, blank
// lines, quotes. An edit is checked twice before the file is replaced: the new text must say what the old one said but for the edit, and
// it must be a configuration without problems.

// A Table is a value that an edit writes: keys with values, in this order. A value is a string, an int, a bool, a list of
// such or a Table.
type Table []Entry

// Entry is one key of a Table.
type Entry struct {
	Key   string
	Value any
}

// newFile is how a file begins that was not there.
const newFile = "# Configuration of Overdrive: overdrive serve --config FILE\n"

// Draft is a configuration file that is being edited.
type Draft struct {
	opts   Options
	format string // "yaml", "json" or "toml"
	text   []byte
	isNew  bool     // there is no file yet
	unset  Problems // variables that are not set here, so that what they stand for is not known
}

// tries is how often an edit begins anew because somebody else, who takes no lock, has written the file meanwhile.
const tries = 5

// Edit has change edit the file that opts name, and puts the result in place of it, all at once. change is called again if somebody else
// has changed the file meanwhile. With an error the file is as it was; an error of Problems says everything that would be wrong. A file
// that is not there is made, if change writes something. What opts say besides the file counts as it does for Load.
//
// Variables that are not set here do not keep an edit from the file, since the server may have them: see Draft.Unset.
func Edit(opts Options, change func(*Draft) error) (*Draft, error) {
	for range tries {
		d, err := editOnce(opts, change)
		if !errors.Is(err, errChanged) {
			return d, err
		}
	}
	return nil, fmt.Errorf("%s is being changed by somebody else all the time", opts.File)
}

func editOnce(opts Options, change func(*Draft) error) (*Draft, error) {
	target, err := openTarget(opts.File)
	if err != nil {
		return nil, err
	}
	defer target.close()
	d, err := rehearse(opts, target.content, change)
	if err != nil {
		return nil, err
	}
	if target.content != nil && bytes.Equal(d.text, target.content) {
		return d, nil
	}
	return d, target.replace(d.text)
}

// Rehearse is Edit without its end: the file is not written.
func Rehearse(opts Options, change func(*Draft) error) (*Draft, error) {
	content, err := contentOf(opts.File)
	if err != nil {
		return nil, err
	}
	return rehearse(opts, content, change)
}

// Read returns the draft of a file as it is. Unlike Load it does not mind variables that are not set.
func Read(opts Options) (*Draft, error) {
	content, err := readFile(opts.File)
	if err != nil {
		return nil, Problems{{Text: oneLine(err.Error()), Where: opts.File}}
	}
	d := &Draft{opts: opts, format: formatOf(opts.File), text: content}
	return d, d.check()
}

// rehearse edits content, which is nil for a file that is not there.
func rehearse(opts Options, content []byte, change func(*Draft) error) (*Draft, error) {
	d := &Draft{opts: opts, format: formatOf(opts.File), text: content, isNew: content == nil}
	switch {
	case d.format == "toml":
		return nil, errors.New("TOML is not edited by this program: use YAML or JSON, or edit the file by hand")
	case parsers[d.format] == nil:
		return nil, fmt.Errorf("%s: the file's name must end in .yaml, .yml or .json", opts.File)
	case len(content) > maxFileBytes:
		return nil, fmt.Errorf("%s is larger than %v", opts.File, Size(maxFileBytes))
	case content == nil && d.format == "json":
		d.text = []byte("{}\n")
	case content == nil:
		d.text = []byte(newFile)
	}
	if err := change(d); err != nil {
		return nil, err
	}
	return d, d.check()
}

func formatOf(file string) string {
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
	if format == "yml" {
		return "yaml"
	}
	return format
}

// check reads what the draft says. Its error is every problem but for variables that are not set here.
func (d *Draft) check() error {
	_, problems := load(d.opts, d.text)
	d.unset = nil
	problems = slices.DeleteFunc(problems, func(p Problem) bool {
		if p.isUnset() {
			d.unset = append(d.unset, p)
		}
		return p.isUnset()
	})
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// isUnset says whether a variable is missing and nothing else is wrong.
func (p Problem) isUnset() bool {
	return strings.HasPrefix(p.Text, unsetBefore) && strings.HasSuffix(p.Text, unsetBehind)
}

// Unset lists the keys whose values are not known here, since a variable is not set.
func (d *Draft) Unset() Problems { return d.unset }

// IsNew says whether there is no file yet.
func (d *Draft) IsNew() bool { return d.isNew }

// Config returns what the draft says, with every problem of it. Unlike that of Load, it is there even with problems: keys with a problem
// are then not set.
func (d *Draft) Config() (*Config, Problems) { return read(d.opts, d.text) }

// Shown returns what the draft says, as far as it can be understood, to be looked at: a variable that is not set stands for its own name.
func (d *Draft) Shown() *Config {
	opts := d.opts
	opts.standIns = true
	cfg, _ := read(opts, d.text)
	return cfg
}

// Text returns what the file itself says for a key: with references to variables as they stand there. The path has the names of tables.
func (d *Draft) Text(path ...string) (text string, found bool) {
	doc, err := d.document()
	if err != nil {
		return "", false
	}
	v := valueAt(doc.meaning, path)
	text, found = v.(string)
	return text, found
}

// Has reports whether the file has the key, be it with or without a value.
func (d *Draft) Has(path ...string) bool {
	doc, err := d.document()
	if err != nil {
		return false
	}
	table, _ := valueAt(doc.meaning, path[:len(path)-1]).(map[string]any)
	_, found := table[path[len(path)-1]]
	return found
}

// Set gives the key at the path a value, in place of the one that it has.
func (d *Draft) Set(value any, path ...string) error {
	if !utf8.ValidString(fmt.Sprint(path, value)) {
		return errors.New("names and values must be UTF-8")
	}
	return d.change(path, func(doc *document) ([]byte, error) { return doc.set(path, value) },
		func(meaning any) any { return withValue(meaning, path, meaningOf(value)) })
}

// Remove takes the key at the path out, with all below it.
func (d *Draft) Remove(path ...string) error {
	return d.change(path, func(doc *document) ([]byte, error) { return doc.remove(path) },
		func(meaning any) any { return withoutKey(meaning, path) })
}

// change edits the text, and sees to it that the text means then what it should.
func (d *Draft) change(path []string, edit func(*document) ([]byte, error), meant func(any) any) error {
	doc, err := d.document()
	if err != nil {
		return err
	}
	text, err := edit(doc)
	if err != nil {
		return d.cannot(path, err)
	}
	after, err := readDocument(d.format, text)
	if err != nil || !sameMeaning(after.meaning, meant(doc.meaning)) {
		return d.cannot(path, errLayout)
	}
	d.text = text
	return nil
}

var errLayout = errors.New("the layout of the file does not allow to change this alone (an anchor, an alias or the like)")

func (d *Draft) cannot(path []string, err error) error {
	key := ""
	for _, name := range path {
		key = join(key, name)
	}
	return fmt.Errorf("%s cannot be edited by this program: %w; edit %s by hand", key, err, filepath.Base(d.opts.File))
}

func (d *Draft) document() (*document, error) {
	doc, err := readDocument(d.format, d.text)
	if err != nil {
		return nil, Problems{{Text: oneLine(err.Error()), Where: d.opts.File}}
	}
	return doc, nil
}

// contentOf returns what a file holds, and nil without an error if there is none.
func contentOf(file string) ([]byte, error) {
	content, err := readFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Problems{{Text: oneLine(err.Error()), Where: file}}
	}
	if content == nil {
		content = []byte{}
	}
	return content, nil
}
