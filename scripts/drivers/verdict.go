package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// hitsWanted is the part of the repeated reads that must be hits. The rest is for the first of each kind, and for those that a driver
// asks by other messages before it prepares a statement.
const hitsWanted = 0.9

func (o *outcome) served() (n int) {
	for _, v := range o.report.Clients {
		if v.Served {
			n++
		}
	}
	return n
}

func (o *outcome) ownWrites() (read, writes int) {
	for _, v := range o.report.Clients {
		read += v.OwnWritesRead
		writes += v.Writes
	}
	return read, writes
}

// faults says what did not hold, in words for the last column.
func (o *outcome) faults() (faults []string) {
	if o.broken != nil {
		return []string{o.broken.Error()}
	}
	if o.served() < clients {
		faults = append(faults, "not all served")
		faults = append(faults, o.errors()...)
	}
	if o.end.timeouts > 0 {
		faults = append(faults, fmt.Sprintf("%d waits for a server given up", o.end.timeouts))
	}
	if len(o.end.pinned) > 0 {
		faults = append(faults, "pinned at the end")
	}
	if read, writes := o.ownWrites(); read < writes || writes == 0 {
		faults = append(faults, "own writes not read")
	}
	for _, v := range o.report.Clients {
		if v.Served && !v.TypesRead {
			faults = append(faults, "types misread")
		}
		if v.Served && !v.RollbackUndone {
			faults = append(faults, "rolled back and still there")
		}
	}
	if reads := o.end.reads(); reads.ratio() < hitsWanted {
		faults = append(faults, "repeated reads are no hits: "+o.lastStatus())
	}
	return slices.Compact(faults)
}

// seconds differ from one error to the next of its kind.
var seconds = regexp.MustCompile(`\b[0-9.]+s\b`)

// errors are what clients ended with, each once.
func (o *outcome) errors() []string {
	seen := make(map[string]int)
	for _, v := range o.report.Clients {
		if !v.Served {
			seen[cmp.Or(short(seconds.ReplaceAllString(oneLine(v.Error), "…s")), "ended without an error")]++
		}
	}
	var all []string
	for _, text := range slices.Sorted(maps.Keys(seen)) {
		all = append(all, fmt.Sprintf("%d × %s", seen[text], text))
	}
	return all
}

// lastStatus is what the proxy said of the last read of a book, as the client that came to its end first heard it.
func (o *outcome) lastStatus() string {
	for _, v := range o.report.Clients {
		if v.Status != "" {
			return strings.TrimSuffix(v.Status+", "+oneLine(v.Reason), ", ")
		}
	}
	return "nobody asked for the status"
}

// oneLine has no line ends in it, which a table cannot have.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// pins writes how many clients are pinned at the end, and why.
func (o *outcome) pins() string {
	if len(o.end.pinned) == 0 {
		return "none"
	}
	var all []string
	for _, reason := range slices.Sorted(maps.Keys(o.end.pinned)) {
		all = append(all, fmt.Sprintf("%d: %s", o.end.pinned[reason], reason))
	}
	return strings.Join(all, "; ")
}

// remark says what did not hold, and pins that are gone.
func (o *outcome) remark() string {
	all := o.faults()
	for _, reason := range slices.Sorted(maps.Keys(o.during)) {
		if o.end.pinned[reason] == 0 {
			all = append(all, "pinned for a while: "+reason)
		}
	}
	return strings.ReplaceAll(strings.Join(all, "; "), "|", `\|`)
}

// conclude prints the table, who is missing, and what speaks for the cause of each failure. It returns how many failed.
func conclude(out io.Writer, outcomes []outcome) (failed int, err error) {
	fmt.Fprintln(out, "| driver | version | clients served | connections | starved | pinned at the end | own writes read | repeated reads that were hits | outcome | remark |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	tried := 0
	for _, o := range outcomes {
		switch {
		case o.missing != nil:
			continue
		case o.broken != nil:
			fmt.Fprintf(out, "| %s | %s | – | – | – | – | – | – | fails | %s |\n", o.driver, o.report.Version, o.remark())
		default:
			read, writes := o.ownWrites()
			reads := o.end.reads()
			fmt.Fprintf(out, "| %s | %s | %d of %d | %d | %d | %s | %d of %d | %.0f %% of %d | %s | %s |\n", o.driver, o.report.Version, o.served(),
				clients, o.most, o.end.timeouts, o.pins(), read, writes, 100*reads.ratio(), reads.calls, o.verdict(), o.remark())
		}
		tried++
		if len(o.faults()) > 0 {
			failed++
		}
	}
	for _, o := range outcomes {
		if o.missing != nil {
			fmt.Fprintf(out, "\nNot tried: %s, since %s.", o.driver, oneLine(o.missing.Error()))
		}
	}
	fmt.Fprintf(out, "\n\n%d tried, %d failed, %d not installed\n", tried, failed, len(outcomes)-tried)
	for _, o := range outcomes {
		if o.missing == nil && len(o.faults()) > 0 {
			explain(out, &o)
		}
	}
	if tried == 0 {
		return 0, fmt.Errorf("none of the drivers could be installed")
	}
	return failed, nil
}

func (o *outcome) verdict() string {
	if len(o.faults()) > 0 {
		return "fails"
	}
	return "holds"
}

// explain prints what SHOW QUERIES says of the statements that may be the cause.
func explain(out io.Writer, o *outcome) {
	fmt.Fprintf(out, "\n%s: %s\n", o.driver, o.remark())
	if o.broken != nil {
		return
	}
	fmt.Fprintf(out, "  cache: %s misses, %s invalidations, %s answers not kept since a write came between\n",
		o.end.cache["misses"], o.end.cache["invalidations"], o.end.cache["races_lost"])
	for _, q := range o.end.notHits() {
		fmt.Fprintf(out, "  %s calls, %s hits, %s: %s\n    %s\n", q["calls"], q["hits"], q["status"], q["reason"], short(oneLine(q["query"])))
	}
}

// short keeps the head of a long text: catalog queries fill pages.
func short(text string) string {
	const limit = 240
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " …"
}
