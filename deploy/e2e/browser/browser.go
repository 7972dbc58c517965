// Package browser drives a real Chromium for tests of the admin pages, and notes
// what a reader of the pages would never see: errors in the console, requests to
// other hosts, controls without a name.
package browser

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// actLimit bounds one step: a busy machine takes seconds to start a browser.
	actLimit = time.Minute
	// lifeLimit bounds a whole browser: some tests go through all pages with one, which takes a
	// busy machine minutes.
	lifeLimit = 20 * time.Minute
	// pollEvery is how often a condition is looked at.
	pollEvery = 50 * time.Millisecond
	// height is that of the window, in CSS pixels.
	height = 900
)

// Tab is one tab of a browser of its own, with its own cookies.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // chromedp keeps the tab in it
	// close closes one that is another; nil: the browser's first.
	close context.CancelFunc

	mu sync.Mutex
	// problems are errors in the console, and requests to other hosts.
	problems []string
	host     string
	expected []string
	// asked counts the requests by path.
	asked map[string]int
	// shown are the documents that have come in the place of others.
	shown map[cdp.LoaderID]bool
}

// Open starts a browser whose only host is that of the address. The test's end
// stops it. Where there is no Chromium the test is skipped, unless
// REQUIRE_BROWSER=1.
func Open(t testing.TB, address string) *Tab {
	t.Helper()
	program := find(t)
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	life, cancel := context.WithTimeout(context.Background(), lifeLimit)
	browser, closeBrowser := chromedp.NewExecAllocator(life, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(1280, height),
		// Nothing but this machine can be reached, whatever a page asks for.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("lang", "en-US"), chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(actLimit),
	)...)
	ctx, closeTab := chromedp.NewContext(browser)
	tab := &Tab{t: t, ctx: ctx, host: base.Host, asked: map[string]int{}, shown: map[cdp.LoaderID]bool{}}
	t.Cleanup(func() {
		closeTab()
		closeBrowser()
		cancel()
	})
	if err := tab.start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return tab
}

// Another opens another tab of the same browser, with the same cookies. It ends with the test, or
// when it is closed.
func (b *Tab) Another() *Tab {
	b.t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	tab := &Tab{t: b.t, ctx: ctx, close: closeTab, host: b.host, asked: map[string]int{}, shown: map[cdp.LoaderID]bool{}}
	b.t.Cleanup(closeTab)
	if err := tab.start(); err != nil {
		b.t.Fatalf("open another tab: %v", err)
	}
	return tab
}

// Close closes a tab that is another.
func (b *Tab) Close() { b.close() }

// Asked is how many requests for a path the tab has made.
func (b *Tab) Asked(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

// Before has every page that is loaded from now on run a script before its own.
func (b *Tab) Before(script string) {
	b.t.Helper()
	get(b, "add a script", func(ctx context.Context, target *chromedp.Target) (page.AddScriptToEvaluateOnNewDocumentResult, error) {
		return cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	})
}

// start opens the tab, and listens before anything is loaded.
func (b *Tab) start() error {
	if err := chromedp.Listen(b.ctx, b.hear); err != nil {
		return err
	}
	_, logs := chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	_, requests := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	_, exceptions := chromedp.Call(b.ctx, runtime.Enable, cdp.Empty{})
	return errors.Join(logs, requests, exceptions)
}

func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("REQUIRE_BROWSER") == "1" {
		t.Fatal("no Chromium here")
	}
	t.Skip("no Chromium here")
	return ""
}

// loud are the calls of the console that a page without faults does not make.
var loud = []runtime.ConsoleAPICalledType{
	runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert,
}

// hear notes what must not happen. It runs in the browser's goroutine.
func (b *Tab) hear(event any) {
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		text := event.ExceptionDetails.Text
		if event.ExceptionDetails.Exception != nil {
			text += " " + event.ExceptionDetails.Exception.Description
		}
		b.note("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if slices.Contains(loud, event.Type) {
			var words []string
			for _, arg := range event.Args {
				words = append(words, string(arg.Value)+arg.Description)
			}
			b.note("console: " + strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError || event.Entry.Level == log.EntryLevelWarning {
			b.note("log: " + event.Entry.Text + " " + event.Entry.URL)
		}
	case *page.EventFrameNavigated:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.shown[event.Frame.LoaderID] = true
	case *network.EventRequestWillBeSent:
		asked, err := url.Parse(event.Request.URL)
		if err != nil || asked.Host != b.host && (asked.Scheme == "http" || asked.Scheme == "https") {
			b.note("request to another host: " + event.Request.URL)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked[asked.Path]++
	}
}

func (b *Tab) note(problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.expected {
		if strings.Contains(problem, text) {
			return
		}
	}
	b.problems = append(b.problems, problem)
}

// Expect lets problems with this text pass: a browser reports every answer of
// 400 and above, wanted or not.
func (b *Tab) Expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

// Problems answers what was noted since the last call.
func (b *Tab) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	problems := b.problems
	b.problems = nil
	return problems
}

// Do carries out actions, in order, or fails the test.
func (b *Tab) Do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	get(b, what, chromedp.Steps(actions...))
}

// get carries out one action and answers its value, or fails the test.
func get[T any](b *Tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, actLimit)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v\nat %s\nnoted: %v\nthe page says: %s", what, err, b.location(), b.Problems(), b.visibleText())
	}
	return value
}

// Go opens a page of the site and waits until it is ready. The browser gives a navigation up while
// it is still busy with the one before: then once more.
func (b *Tab) Go(address string) {
	b.t.Helper()
	opened := get(b, "open "+address, func(ctx context.Context, target *chromedp.Target) (page.NavigateResult, error) {
		for {
			opened, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{URL: address})
			if err == nil && opened.ErrorText == "net::ERR_ABORTED" && ctx.Err() == nil {
				continue
			}
			if err == nil && opened.ErrorText != "" {
				err = errors.New(opened.ErrorText)
			}
			return opened, err
		}
	})
	if opened.LoaderID != "" { // there is none where only what is behind # differs
		b.until(address+" is shown", func(context.Context) bool { return b.hasShown(opened.LoaderID) })
	}
	b.Ready()
}

func (b *Tab) hasShown(document cdp.LoaderID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown[document]
}

// scriptsRan is true once the page is complete and its modules have been evaluated: one that waits
// for something itself is not yet when the page is complete, and hears no clicks.
const scriptsRan = `document.readyState === 'complete' && Promise.allSettled(
	Array.from(document.querySelectorAll('script[type=module][src]'), (script) => import(script.src))).then(() => true)`

// Ready waits until the page is complete and its scripts have run: a person would try again where a
// click does nothing yet, a test would not.
func (b *Tab) Ready() {
	b.t.Helper()
	b.Until("the page is complete and its scripts have run", scriptsRan)
}

// Eval evaluates an expression.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	return get(b, "evaluate "+expression, chromedp.Evaluate[T](expression))
}

// Leave does what opens another page, and waits until that one is ready: the browser may show the
// old one for a while, and gives up for it what is asked for meanwhile.
func (b *Tab) Leave(what string, act func()) {
	b.t.Helper()
	Eval[bool](b, "window.isLeft = true")
	act()
	b.Until(what+" opens a page", "window.isLeft === undefined")
	b.Ready()
}

// Follow clicks the element, which opens another page, and waits for that.
func (b *Tab) Follow(selector string) {
	b.t.Helper()
	b.Leave("the click on "+selector, func() { b.Click(selector) })
}

// Submit presses the enter key in the field that has the focus, which sends its form and so opens
// another page, and waits for that.
func (b *Tab) Submit() {
	b.t.Helper()
	b.Leave("the enter key", func() { b.Press("\r") })
}

// Type replaces what is in a field.
func (b *Tab) Type(selector, text string) {
	b.t.Helper()
	b.Do("go to "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	b.Ready()
	Eval[bool](b, fmt.Sprintf("(() => { const field = document.querySelector(%q); field.focus(); field.select(); return true; })()", selector))
	b.Do("type into "+selector, chromedp.KeyEvent(text))
}

// Press presses keys, wherever the focus is.
func (b *Tab) Press(keys string) {
	b.t.Helper()
	b.Ready()
	b.Do("press keys", chromedp.KeyEvent(keys))
}

// Cookie answers the value of one of the site's cookies, also one that scripts
// don't see.
func (b *Tab) Cookie(name string) string {
	b.t.Helper()
	answer := get(b, "read the cookies", func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
	})
	for _, cookie := range answer.Cookies {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	b.t.Fatalf("there is no cookie %s", name)
	return ""
}

// See waits until an element shows the text.
func (b *Tab) See(selector, text string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("%q is in %s", text, selector), shows(selector, text))
}

// Gone waits until no such element shows the text.
func (b *Tab) Gone(selector, text string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("%q is gone from %s", text, selector), "!"+shows(selector, text))
}

func shows(selector, text string) string {
	return fmt.Sprintf("Array.from(document.querySelectorAll(%q)).some(e => e.checkVisibility() && e.innerText.includes(%q))", selector, text)
}

// Until waits until a JavaScript expression is true, or a promise of that. A page that is being
// left can't be asked; the next one can.
func (b *Tab) Until(what, expression string) {
	b.t.Helper()
	b.until(what, func(ctx context.Context) bool {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
		return err == nil && holds
	})
}

func (b *Tab) until(what string, holds func(context.Context) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, actLimit)
	defer cancel()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	for ctx.Err() == nil {
		if holds(ctx) {
			return
		}
		<-look.C
	}
	b.t.Fatalf("not within %s: %s\nat %s\nnoted: %v\nthe page says: %s", actLimit, what, b.location(), b.Problems(), b.visibleText())
}

// location and visibleText are for messages: no error is worth another one.
func (b *Tab) location() string {
	ctx, cancel := context.WithTimeout(b.ctx, actLimit)
	defer cancel()
	address, _ := chromedp.Run(ctx, chromedp.Location())
	return address
}

func (b *Tab) visibleText() string {
	ctx, cancel := context.WithTimeout(b.ctx, actLimit)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 2000)"))
	return text
}

// Look is how a page is looked at.
type Look struct {
	Dark bool
	// Width is that of the window, in CSS pixels.
	Width int
}

// Name is for files and messages, such as `dark-390`.
func (l Look) Name() string {
	if l.Dark {
		return fmt.Sprintf("dark-%d", l.Width)
	}
	return fmt.Sprintf("light-%d", l.Width)
}

// Use has the page be looked at in that way.
func (b *Tab) Use(look Look) {
	b.t.Helper()
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	get(b, "look "+look.Name(), func(ctx context.Context, target *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
	})
	b.Do("look "+look.Name(), chromedp.EmulateViewport(int64(look.Width), height))
}

// Screenshot writes the whole page into a PNG file.
func (b *Tab) Screenshot(file string) {
	b.t.Helper()
	picture := get(b, "take a picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(file, picture, 0o644); err != nil { //nolint:gosec // pictures for the README
		b.t.Fatal(err)
	}
}

//go:embed accessibility.js
var accessibilityScript string

// Accessibility answers what is wrong with the page as it is now: names, labels,
// landmarks, headings, contrast, focus, width.
func (b *Tab) Accessibility() []string {
	b.t.Helper()
	return Eval[[]string](b, accessibilityScript)
}
