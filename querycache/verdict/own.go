package verdict

// Own is a statement that is for the proxy and not for the server: one about a parameter whose name begins with "overdrive.".
type Own struct {
	Verb  string // show, set, set local, reset
	Name  string // without the prefix, in lower case
	Value string // of set: the constant or word behind = or TO, decoded; empty for DEFAULT
}
