package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"overdrive/proxy"
	"overdrive/proxy/admin/dashboard"
	"overdrive/proxy/traffic"
)

// openBoard opens the page of a proxy in a browser, on an address of this machine.
func openBoard(t *testing.T, f *dashboard.FakeProxy) (*tab, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(dashboard.NewTest(f, true))
	t.Cleanup(s.Close)
	p := openTab(t, s.URL)
	p.await(soon, "the first numbers", `document.getElementById("rate").textContent !== "–"`)
	return p, s
}

func TestPage_FollowsTheLoadWithinTwoSeconds(t *testing.T) {
	f := dashboard.NewFake()
	p, _ := openBoard(t, f)
	const rate, limit = `parseFloat(document.getElementById("rate").textContent.replace(",", ""))`, 2 * time.Second
	const tries = 3 // on a machine that is busy otherwise, the page may have had no processor for a while
	for try := 1; ; try++ {
		p.await(soon, "no load", rate+" === 0")
		stop := load(t, f)
		rise := p.await(soon, "the load", rate+" > 500")
		if try == 1 {
			p.await(soon, "half are hits", `Math.abs(parseFloat(document.getElementById("ratio").textContent) - 50) < 5`)
			p.await(soon, "the server's median", `/^(2|3)\.\d\sms$/.test(document.getElementById("server-median").textContent)`)
			p.await(soon, "the cache's p99", `/^1\d\sµs$/.test(document.getElementById("cache-p99").textContent)`)
			p.await(soon, "who waits", `document.getElementById("waiting").textContent === "2"`)
			p.await(soon, "a line", `document.querySelector("#chart-rate polyline.a").getAttribute("points").split(" ").length > 2`)
		}
		before := read[float64](p, rate)
		stop()
		fall := p.await(soon, "the end of the load", fmt.Sprintf("%s < %f", rate, 0.9*before))
		t.Logf("the load is seen after %v, its end after %v", rise, fall)
		if rise <= limit && fall <= limit {
			break
		}
		if try == tries {
			t.Errorf("the load is seen after %v, its end after %v, want %v", rise, fall, limit)
			break
		}
	}
	p.wantQuiet()
}

// load has about 2,000 statements a second pass, of which half are hits, until stop is called.
func load(t *testing.T, f *dashboard.FakeProxy) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.Answered(dashboard.StatusHit, traffic.ByCache, 10*time.Microsecond, 10)
				f.Answered(dashboard.StatusMiss, traffic.ByServer, 3*time.Millisecond, 10)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestPage_SortsAThousandStatementsAtOnce(t *testing.T) {
	f := dashboard.NewFake()
	f.SetQueries(dashboard.Shapes(1000))
	p, _ := openBoard(t, f)
	p.await(soon, "statements", `document.querySelectorAll("#queries tr").length === 50`)
	if got := p.rows(); !strings.HasPrefix(got, "10,000 SELECT c0 FROM") {
		t.Errorf("by calls: %s", got)
	}
	for _, c := range []struct{ order, first string }{
		{"calls", "10 SELECT c999 "}, {"saved", "1,010 SELECT c"}, {"shape", "10,000 SELECT c0 "}, {"ratio", "10 SELECT c999 "},
	} {
		// Three times, of which the third has the direction of the first; the least is what it takes when nobody else wants the processor.
		took := read[float64](p, `Math.min(...[1, 2, 3].map(() => {
			const began = performance.now();
			document.querySelector("th[data-order=`+c.order+`] button").click();
			document.body.offsetHeight; // lays it out
			return performance.now() - began;
		}))`)
		t.Logf("sorted by %s in %.1f ms", c.order, took)
		if took > 200 {
			t.Errorf("sorting by %s takes %.0f ms", c.order, took)
		}
		if got := p.rows(); c.order != "saved" && !strings.HasPrefix(got, c.first) {
			t.Errorf("by %s: %s", c.order, got)
		}
		if got := read[string](p, `document.querySelector("th[data-order=`+c.order+`]").getAttribute("aria-sort")`); got == "" {
			t.Errorf("by %s: nobody is told", c.order)
		}
	}
	p.run(chromedp.SendKeys(chromedp.CSS("#filter"), "c99 from"))
	p.await(soon, "the filter", `document.querySelectorAll("#queries tr").length === 1`)
	read[bool](p, `(() => { const f = document.getElementById("filter"); f.value = ""; return f.dispatchEvent(new Event("input")); })()`)
	p.await(soon, "all again", `document.querySelectorAll("#queries tr").length === 50`)
	p.run(chromedp.Click(chromedp.CSS("#more")))
	p.await(soon, "more", `document.querySelectorAll("#queries tr").length === 100`)
	p.wantQuiet()
}

func TestPage_FindsWhatIsCutOffInTheList(t *testing.T) {
	f := dashboard.NewFake()
	list := dashboard.Shapes(3)
	list[1].Shape = "SELECT " + strings.Repeat("a, ", 200) + "needle FROM t"
	f.SetQueries(list)
	p, _ := openBoard(t, f)
	p.await(soon, "statements", `document.querySelectorAll("#queries tr").length === 3`)
	p.run(chromedp.SendKeys(chromedp.CSS("#filter"), "Needle"))
	p.await(soon, "the filter of the server", `document.getElementById("count").textContent === "1 of 1 shown"`)
	if got := p.rows(); !strings.Contains(got, "SELECT a, a, ") {
		t.Errorf("shows %s", got)
	}
	p.wantQuiet()
}

func TestPage_ShowsHostileTextsAsTexts(t *testing.T) {
	const hostile = `SELECT "<img src=x onerror=document.title='owned'>" FROM "</td><script>document.title='owned'</script>" WHERE a = '&lt;b&gt;'`
	f := dashboard.NewFake()
	f.SetQueries([]proxy.QueryStatus{{Database: "shop", Fingerprint: 1, Shape: hostile, Status: "<i>x</i>", Reason: "<svg onload=document.title='owned'>", Calls: 1}})
	f.SetUser(`<img src=x onerror=document.title='owned'>`)
	p, _ := openBoard(t, f)
	p.await(soon, "the statement", `document.querySelector("#queries button")?.textContent.endsWith(`+text(hostile)+`)`)
	p.run(chromedp.Focus(chromedp.CSS("#queries button")), chromedp.KeyEvent(kb.Enter))
	p.await(soon, "the explanation, opened by the keyboard", `document.getElementById("details").open && document.getElementById("details-items").textContent.includes("public.<b>t</b>")`)
	if got := read[string](p, `document.getElementById("details-text").value`); got != hostile {
		t.Errorf("explained: %s", got)
	}
	p.run(chromedp.KeyEvent(kb.Escape))
	p.await(soon, "the end of the dialog", `!document.getElementById("details").open && document.activeElement.closest("#queries") !== null`)
	p.await(soon, "the user", `document.getElementById("pools").textContent.includes("<img src=x onerror")`)
	if n := read[int](p, `document.querySelectorAll("main img, main script, main i, main b:not([id]), dialog img, dialog b").length`); n != 0 {
		t.Errorf("%d elements were made of texts", n)
	}
	if title := read[string](p, "document.title"); title != "Overdrive" {
		t.Errorf("the title is %q", title)
	}
	p.wantQuiet()
}

func TestPage_PurgesWithTheTokenAndALogin(t *testing.T) {
	f := dashboard.NewFake()
	p, s := openBoard(t, f)
	purge := func(name string) {
		t.Helper()
		p.run(chromedp.SetValue(chromedp.CSS("#purge-database"), "shop"), chromedp.SetValue(chromedp.CSS("#purge-name"), name),
			chromedp.Click(chromedp.CSS("#purge button")))
	}
	p.await(soon, "a way to log in", `!document.getElementById("login").hidden`)
	purge("scores")
	p.await(soon, "a refusal", `document.getElementById("purged").textContent.startsWith("not purged: purging needs a login")`)
	p.as("root")
	p.run(chromedp.Navigate(s.URL))
	p.await(soon, "who has logged in", `document.getElementById("who").textContent === "logged in as root"`)
	purge("public.scores")
	p.await(soon, "the purge", `document.getElementById("purged").textContent === "shop: purged table public.scores"`)

	const body = `{"database": "shop", "kind": "all"}`
	token := read[string](p, "token")
	if got := p.ask("/api/purge", "", body); got != "403" {
		t.Errorf("without the token: %s", got)
	}
	if got := p.ask("/api/purge", strings.Repeat("A", len(token)), body); got != "403" {
		t.Errorf("with another token: %s", got)
	}
	if got := p.ask("/api/purge", token, body); got != "200" {
		t.Errorf("with the token: %s", got)
	}
	if got := f.Purges(); got != "shop: table public.scores; shop: all" {
		t.Errorf("purged: %s", got)
	}
	// The page of somebody else cannot even ask.
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<title>other</title>")) }))
	t.Cleanup(other.Close)
	p.run(chromedp.Navigate(other.URL))
	if got := p.ask(s.URL+"/api/purge", token, body); got != "refused" {
		t.Errorf("another page: %s", got)
	}
	if got := f.Purges(); strings.Count(got, ";") != 1 {
		t.Errorf("another page has purged: %s", got)
	}
}

func TestPage_IsDarkAndLightAndFitsAPhone(t *testing.T) {
	f := dashboard.NewFake()
	f.SetQueries(dashboard.Shapes(100))
	p, _ := openBoard(t, f)
	ground := func(theme string) string {
		t.Helper()
		p.theme(theme)
		return read[string](p, `getComputedStyle(document.body).backgroundColor`)
	}
	if light, dark := ground("light"), ground("dark"); light != "rgb(246, 247, 249)" || dark != "rgb(14, 17, 22)" {
		t.Errorf("light %s, dark %s", light, dark)
	}
	p.run(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	p.await(soon, "statements", `document.querySelectorAll("#queries tr").length === 50`)
	if over := read[int](p, `document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		t.Errorf("a phone has to scroll %d pixels sideways", over)
	}
	unnamed := read[[]string](p, `[...document.querySelectorAll("button, input, select, textarea, svg, section")].filter((e) =>
		!e.textContent.trim() && !e.labels?.length && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")).map((e) => e.outerHTML)`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
	p.wantQuiet()
}
