package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A tab is a page in a real browser, and what its console has said.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu   sync.Mutex // guards said
	said []string
}

// browsers are programs that speak the DevTools protocol.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"}

// openTab opens url in a browser of its own. The test is skipped where there is none.
func openTab(t *testing.T, url string) *tab {
	t.Helper()
	program := os.Getenv("OVERDRIVE_BROWSER")
	for _, name := range browsers {
		if path, err := exec.LookPath(name); program == "" && err == nil {
			program = path
		}
	}
	if program == "" {
		t.Skip("no Chromium in PATH, nor named by OVERDRIVE_BROWSER: the page is not tried in a browser")
	}
	const patience = 2 * time.Minute
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	// As root, and in containers, there is no sandbox; what it loads is our own page.
	ctx, stop = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, _ = chromedp.NewContext(ctx)
	p := &tab{t: t, ctx: ctx}
	var listening sync.WaitGroup
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // which waits for the browser's end
		listening.Wait()
	})
	messages := chromedp.Console(ctx)
	listening.Go(func() { p.hear(messages) })
	p.run(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate(url))
	return p
}

// hear notes what the page, or the browser about it, says on the console: exceptions, and violations of the policy, among them.
func (p *tab) hear(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return
		}
		p.mu.Lock()
		p.said = append(p.said, m.String())
		p.mu.Unlock()
	}
}

// wantQuiet fails if the page had anything to complain about.
func (p *tab) wantQuiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) > 0 {
		p.t.Errorf("the console says %q", p.said)
	}
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// read has the page compute a value of JavaScript.
func read[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// call runs a command of the DevTools protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.t.Fatal(err)
	}
}

// await waits until an expression is true, and returns how long it took.
func (p *tab) await(limit time.Duration, what, expression string) time.Duration {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if read[bool](p, expression) {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			p.t.Fatalf("%s: not within %v; the page says\n%s", what, limit, read[string](p, "document.body.innerText"))
		}
	}
}

const soon = 20 * time.Second // for things that take a moment, on a busy machine

// as has the page send a login, as a browser does once somebody has typed it in.
func (p *tab) as(user string) {
	p.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, "/", http.NoBody)
	r.SetBasicAuth(user, user)
	call(p, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": r.Header.Get("Authorization")}})
}

// theme has the browser prefer light or dark.
func (p *tab) theme(name string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// text is a string of JavaScript.
func text(s string) string {
	quoted, _ := json.Marshal(s)
	return string(quoted)
}

// ask sends a question from the page with a token, and returns the status, or "refused" by the browser.
func (p *tab) ask(url, token, body string) string {
	p.t.Helper()
	return read[string](p, fmt.Sprintf(`fetch(%s, {method: "POST", body: %s, headers: {"Content-Type": "application/json", "X-Overdrive-Token": %s}})
		.then((r) => String(r.status), () => "refused")`, text(url), text(body), text(token)))
}

// rows are the first lines of the statements, without their database.
func (p *tab) rows() string {
	p.t.Helper()
	return strings.Join(read[[]string](p, `[...document.querySelectorAll("#queries tr")].slice(0, 3).map((r) => r.cells[0].textContent + " " + r.cells[6].textContent.replace("shop: ", ""))`), " | ")
}
