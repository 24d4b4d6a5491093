package browser

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"carillon/internal/testenv"
)

// ScreenshotsVariable names a directory that gets a picture of what the browser tests see.
const ScreenshotsVariable = "CARILLON_TEST_SCREENSHOTS"

// Patience bounds each thing that a test waits for.
const Patience = 20 * time.Second

// Page is a page in a Chromium of its own.
type Page struct {
	t        testing.TB
	ctx      context.Context
	messages func() (chromedp.ConsoleMessage, error, bool) // what the page writes to its console
}

// Start begins with an empty page. The test is skipped where there is no Chromium. Certificates need not be signed by anybody.
func Start(t testing.TB) *Page {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(testenv.Chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
	)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	next, stopMessages := iter.Pull2(chromedp.Console(ctx))
	t.Cleanup(stopMessages)
	return &Page{t: t, ctx: ctx, messages: next}
}

// Do performs steps one after the other.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// Value evaluates a JavaScript expression.
func Value[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// Until waits for a JavaScript expression to become true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	err := chromedp.Do(p.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(Patience)))
	if err != nil {
		p.t.Fatalf("%s never came true (%v); the page says:\n%s", expression, err, Value[string](p, `document.body.innerText`))
	}
}

// Size sets the window's size in pixels; dark asks pages for their dark colours.
func (p *Page) Size(width, height int64, dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.Do(chromedp.EmulateViewport(width, height), func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
}

// Picture saves what the window shows, if somebody wants to look. (Not the full page: that hangs on pages that grow.)
func (p *Page) Picture(name string) {
	p.t.Helper()
	dir := os.Getenv(ScreenshotsVariable)
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("take a picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// Quiet fails if the page complained: an exception, an error or a warning of its own or of the browser.
func (p *Page) Quiet() {
	p.t.Helper()
	const end = "this test has ended"
	p.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("console.debug(%q)", end)))
	for {
		message, err, ok := p.messages()
		if err != nil || !ok {
			p.t.Fatalf("read the page's console: %v", err)
		}
		switch {
		case message.Text == end:
			return
		case message.IsException(), message.Type == "error", message.Type == "warning":
			p.t.Errorf("the page complained: %s %s", message.Text, message.URL)
		}
	}
}

// NoSideways fails if the page can be scrolled to the side.
func (p *Page) NoSideways() {
	p.t.Helper()
	if over := Value[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		p.t.Errorf("the page is %d px wider than the window", over)
	}
}
