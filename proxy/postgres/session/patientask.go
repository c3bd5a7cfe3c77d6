package session

// This file is about questions that are asked once more, without the session's statement_timeout. It is taken away within the
// transaction of the question, which therefore asks first what it is, and does not believe what it hears of it afterwards.

const statementTimeout = "statement_timeout"

// The texts answer with no more rows than the questions that are asked impatiently.
const (
	patienceText = "SELECT 1 WHERE pg_catalog.set_config('statement_timeout', '0', true) IS NULL"
	// askTimeoutText is of the rows of askAllText the one about the statement_timeout, which is told only if it is not what the session
	// began with. To find out, it takes that back, until the transaction ends.
	askTimeoutText = "SELECT pg_catalog.convert_to('statement_timeout', pg_catalog.getdatabaseencoding())," +
		" pg_catalog.convert_to(s.value, pg_catalog.getdatabaseencoding())" +
		" FROM (SELECT pg_catalog.current_setting('statement_timeout') AS value OFFSET 0) s" +
		" WHERE s.value OPERATOR(pg_catalog.<>) pg_catalog.set_config('statement_timeout', NULL, true)"
	askOthersText = askAllText + " AND s.name OPERATOR(pg_catalog.<>) 'statement_timeout'"
)

var (
	parsePatience   = parseOf(patienceText)
	parseAskTimeout = parseOf(askTimeoutText)
	parseAskOthers  = parseOf(askOthersText)
)

// appendAsks adds the questions for parameters by name, if there are any.
func appendAsks(b []byte, names []string) []byte { return appendEach(b, parseAsk, names) }

// appendEach adds a statement, by its Parse, that is run for each of the names, if there are any.
func appendEach(b, parse []byte, names []string) []byte {
	if len(names) == 0 {
		return b
	}
	b = append(b, parse...)
	for _, name := range names {
		b = appendRun(b, argument{text: name})
	}
	return b
}

// appendPatience adds what takes the statement_timeout away, behind the questions about itself, and returns the names that are
// still to be asked for.
func (q *inquiry) appendPatience(b []byte, names []string, last bool) ([]byte, []string) {
	if len(names) > 0 && names[0] == statementTimeout {
		b, names = appendAsks(b, names[:1]), names[1:]
	}
	if last && q.all {
		b = append(append(b, parseAskTimeout...), askAllRun...)
	}
	return append(append(b, parsePatience...), askAllRun...), names
}
