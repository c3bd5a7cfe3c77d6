package verdict

// Status says what became of a statement as far as the cache is concerned. The words are shown to users, and do not change.
type Status string

// What a dialect says of a text. The cache adds words of its own for what it found.
const (
	Cacheable          Status = "cacheable"
	Uncacheable        Status = "uncacheable"        // a query, but something in it is not known to be safe
	Volatile           Status = "volatile"           // a query whose answer changes by itself
	MultipleStatements Status = "multiplestatements" // more than one statement in one text
	NotAQuery          Status = "notaquery"          // anything but SELECT, VALUES and TABLE
	OversizedQuery     Status = "oversizedquery"     // the text is longer than is looked at
	ParseError         Status = "parseerror"         // the text could not be read
	Unsettled          Status = "unsettled"          // not known at the moment: the catalog or a relation is changing
)
