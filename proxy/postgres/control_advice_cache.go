package postgres

import (
	"fmt"
	"strings"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// cacheAdvice says what would have the cache answer statements of a shape, or "": nothing would, or nothing is known that would.
// Whatever it names has been judged: nothing is named that the cache would refuse all the same.
func (a *adviser) cacheAdvice(q *costly) string {
	switch q.verdict.Status {
	case verdict.Cacheable:
		return a.cacheableAdvice(q)
	case verdict.Volatile:
		rewrite, ok := classify.Clockless(q.Shape)
		if !ok || a.judge(rewrite.Text).Status != verdict.Cacheable {
			return ""
		}
		return fmt.Sprintf("It reads the clock: send the time from the application instead, rounded as coarsely as will do (to the minute, say) "+
			"so that calls are equal: %s.", shown(rewrite.Text))
	case verdict.MultipleStatements:
		parts := classify.Alone(q.Shape)
		for _, part := range parts {
			if a.judge(part).Status != verdict.Cacheable {
				return ""
			}
		}
		return fmt.Sprintf("Send its %d statements each in a message of its own: alone each can be cached.", len(parts))
	}
	return ""
}

// cacheableAdvice is about a shape whose answers could be kept. Each reason must account for most of what servers were asked.
func (a *adviser) cacheableAdvice(q *costly) string {
	most := func(n int64) bool { return 2*n >= q.Calls-q.Hits }
	policy := a.database.Cache
	switch {
	case policy == nil:
		return ""
	case most(q.Disabled):
		return a.disabledAdvice(q)
	case most(q.Hinted):
		return "Its own comment keeps it from the cache: leave out no-cache and max_age=0, or write /* overdrive: max_age=1m */."
	case most(q.Begun) && !policy.InTransactions && a.database.Mode == TransactionPooling:
		return fmt.Sprintf("It is the first in its transaction in %d of %d calls: databases.%s.cache.in_transactions: first-reads.",
			q.Begun, q.Calls, a.database.Name)
	case most(q.Stateful):
		return a.stateAdvice(q)
	case policy.DryRun && 2*q.WouldHit >= q.Calls:
		return fmt.Sprintf("%d of %d calls would have been hits: databases.%s.cache.dry_run: false.", q.WouldHit, q.Calls, a.database.Name)
	case most(q.Oversized) && policy.MaxResult > 0:
		return fmt.Sprintf("%d of its answers were larger than may be kept: ask for fewer rows or columns, or set databases.%s.cache.max_result, "+
			"now %s, to more.", q.Oversized, a.database.Name, mebibytes(policy.MaxResult))
	case most(q.Expired):
		return a.ageAdvice(q)
	}
	const many = 1000 // answers that are worth a rule
	if q.Entries >= many && 2*q.Entries >= q.Misses && 10*q.Hits <= q.Calls {
		return fmt.Sprintf("Few of its calls are equal (%d of %d were hits), so that the cache does not help it: %s leaves the memory to others.",
			q.Hits, q.Calls, rule(q, "enabled: false"))
	}
	return ""
}

// rule is one for the shape, to be put first into cache.rules.
func rule(q *costly, what string) string {
	return fmt.Sprintf(`- {fingerprints: ["%016x"], %s}`, q.Fingerprint, what)
}

// rules says where rules stand.
func (a *adviser) rules() string { return "databases." + a.database.Name + ".cache.rules" }

// found is what the cache's policy makes of the shape.
func (a *adviser) found(q *costly) querycache.Inspection {
	return a.origin.Cache.Inspect(&querycache.Request{Verdict: &q.verdict.Statement, Text: []byte(q.Shape), User: a.user})
}

func (a *adviser) disabledAdvice(q *costly) string {
	found := a.found(q)
	switch {
	case found.Status != querycache.Disabled:
		return "The cache is off for its sessions, or by a rule that asks for their user or for words in the text: leave out SET overdrive.cache = off " +
			"where that is not meant."
	case found.Enabled && found.Rule < 0:
		return fmt.Sprintf("databases.%s.cache.max_age is 0: if answers of a minute ago are good enough, put into %s: %s.",
			a.database.Name, a.rules(), rule(q, "max_age: 1m"))
	case found.Enabled:
		return fmt.Sprintf("Its max_age is 0 by rule %d (%s): if answers of a minute ago are good enough, put in front of it in %s: %s.",
			found.Rule+1, conditions(&a.database.Cache.Rules[found.Rule]), a.rules(), rule(q, "max_age: 1m"))
	case found.Rule < 0:
		return fmt.Sprintf("The cache is off but for some rules: if it may be cached, put into %s: %s.", a.rules(), rule(q, "enabled: true"))
	}
	return fmt.Sprintf("Rule %d (%s) keeps it from the cache: if it may be cached after all, put in front of it in %s: %s.",
		found.Rule+1, conditions(&a.database.Cache.Rules[found.Rule]), a.rules(), rule(q, "enabled: true"))
}

func (a *adviser) stateAdvice(q *costly) string {
	often := fmt.Sprintf("In %d of %d calls its session had state that answers may depend on", q.Stateful, q.Calls)
	pins := session.PinWords(q.State)
	switch {
	case pins != "":
		return often + " (" + pins + "): end that before it is asked, by DISCARD ALL at the latest, or ask it from another session."
	case len(q.verdict.Needs) > 0:
		return fmt.Sprintf("%s: a policy reads %s, which is in the key only if the client has it from SET in a statement of its own or from its startup packet.",
			often, strings.Join(q.verdict.Needs, ", "))
	}
	return ""
}

func (a *adviser) ageAdvice(q *costly) string {
	mean := q.ExpiredAge / time.Duration(q.Expired)
	age := longer(2 * mean)
	return fmt.Sprintf("%d of %d calls found an answer that was past its max_age of %s, on average %s old: if that is still good enough, put in front in %s: %s.",
		q.Expired, q.Calls, a.found(q).MaxAge, mean.Round(max(time.Millisecond, mean/100)), a.rules(), rule(q, "max_age: "+age))
}

// longer rounds up to a time that people would write.
func longer(d time.Duration) string {
	for _, nice := range []string{"1s", "2s", "5s", "10s", "30s", "1m", "2m", "5m", "10m", "30m", "1h", "2h", "6h", "12h", "24h"} {
		if limit, err := time.ParseDuration(nice); err == nil && limit >= d {
			return nice
		}
	}
	return fmt.Sprintf("%dh", int64(d/time.Hour)+1)
}

func mebibytes(n int64) string {
	const mebibyte = 1 << 20
	if n%mebibyte != 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%dMiB", n/mebibyte)
}
