package sqlscan

import "strings"

// hidden stands in a displayed shape for what may be a value.
const hidden = "…"

// Display returns a shape for people who may not know the values in its texts. A shape holds no constants, but some values are
// written without quotes: what a SET gives its parameter, and, in a text that the grammar cannot read, any word at all, such as
// a mail address whose quotes were forgotten. Of the latter only the words of the language itself are shown.
func Display(shape string, readable bool) string {
	d := display{scan: Scan([]byte(shape)), text: shape, readable: readable}
	for kind := d.scan.Next(); kind != End; kind = d.scan.Next() {
		d.token(kind)
	}
	return d.out.String()
}

// display walks over a shape.
type display struct {
	scan     Scanner
	text     string
	readable bool
	out      strings.Builder
	words    int    // of the statement so far
	first    string // of them
	setting  bool   // SET stands before
	hiding   bool   // what comes is a value, up to the end of the statement
}

// token shows one token, or hides it. One mark stands for all that is hidden at a stretch.
func (d *display) token(kind Kind) {
	token := d.text[d.scan.Start:d.scan.End]
	if kind == Punct && token == ";" {
		*d = display{scan: d.scan, text: d.text, readable: d.readable, out: d.out}
		d.out.WriteString(" ;")
		return
	}
	if d.hides(kind, token) {
		token = hidden
	}
	d.note(kind, token)
	if shown := d.out.String(); token == hidden && strings.HasSuffix(shown, hidden) {
		return
	}
	if d.out.Len() > 0 {
		d.out.WriteByte(' ')
	}
	d.out.WriteString(token)
}

// hides says whether a token may be a value.
func (d *display) hides(kind Kind, token string) bool {
	switch {
	case d.hiding:
		return true
	case d.readable:
		return false
	case kind == Word:
		return !spoken[strings.ToLower(token)]
	}
	return kind != Punct && kind != Operator
}

// note finds the end of what may be shown of a SET, by itself or in an ALTER or a CREATE: the = or TO behind the parameter's name,
// or one of the words that stand in place of it.
func (d *display) note(kind Kind, token string) {
	if kind == Word {
		d.words++
		if d.words == 1 {
			d.first = token
		}
	}
	switch {
	case d.first != "set" && d.first != "alter" && d.first != "create":
	case !d.setting:
		d.setting = token == "set"
	case token == "=", token == "to", token == "role", token == "authorization", token == "zone", token == "names",
		token == "schema", token == "snapshot":
		d.hiding = true
	}
}

// spoken are the words of the language that are shown of a text that cannot be read.
var spoken = wordSet(`all alter analyze and any as asc begin between by call case cast check checkpoint close cluster coalesce
	collate column comment commit constraint copy create cross current cursor database deallocate declare default delete desc
	discard distinct do drop else end except execute exists explain extension fetch filter for foreign from full function grant
	group having in index inner insert intersect into is isnull join key lateral left like limit listen local lock materialized
	merge move natural not notify notnull null of offset on only or order outer over partition password prepare primary procedure
	reassign references refresh reindex release reset returning revoke right role rollback row rows savepoint schema select
	sequence session set show some start table temporary then to transaction trigger truncate union unique update user using
	vacuum values view when where window with`)

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}
