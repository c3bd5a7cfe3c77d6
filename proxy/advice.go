package proxy

// Advice is one thing that would make the statements of a shape cheaper.
type Advice struct {
	Database    string
	Fingerprint uint64 // of the shape; 0: it is about all, such as that nothing could be looked at
	Kind        AdviceKind
	Share       float64 // of the time that servers worked for clients of the database, by statements of the shape
	Shape       string  // the text without its constants
	Text        string  // one sentence, with what is to be written
}

// AdviceKind says what would help.
type AdviceKind string

// What there is.
const (
	AdviceCache AdviceKind = "cache" // to have the cache answer
	AdviceIndex AdviceKind = "index" // an index
	AdviceLoop  AdviceKind = "loop"  // one statement in place of many
)
