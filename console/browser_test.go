package console_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"carillon"
	"carillon/console"
	"carillon/deliver"
	"carillon/internal/testenv"
)

// screenshotsVariable names a directory that gets a picture of what the browser tests see.
const screenshotsVariable = "CARILLON_TEST_SCREENSHOTS"

// browser is a page in a Chromium of its own.
type browser struct {
	t        *testing.T
	ctx      context.Context
	messages func() (chromedp.ConsoleMessage, error, bool) // what the page writes to its console
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(testenv.Chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	next, stopMessages := iter.Pull2(chromedp.Console(ctx))
	t.Cleanup(stopMessages)
	return &browser{t: t, ctx: ctx, messages: next}
}

// patience bounds each thing that a test waits for.
const patience = 20 * time.Second

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// value evaluates a JavaScript expression.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// until waits for a JavaScript expression to become true.
func (b *browser) until(expression string) {
	b.t.Helper()
	err := chromedp.Do(b.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.t.Fatalf("%s never came true (%v); the page says:\n%s", expression, err, value[string](b, `document.body.innerText`))
	}
}

// size sets the window's size in pixels; dark asks pages for their dark colours.
func (b *browser) size(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(width, height), func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
}

// picture saves what the window shows, if somebody wants to look. (Not the full page: that hangs on pages that grow.)
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("take a picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// quiet fails if the page complained: an exception, an error or a warning of its own or of the browser.
func (b *browser) quiet() {
	b.t.Helper()
	const end = "this test has ended"
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("console.debug(%q)", end)))
	for {
		message, err, ok := b.messages()
		if err != nil || !ok {
			b.t.Fatalf("read the page's console: %v", err)
		}
		switch {
		case message.Text == end:
			return
		case message.IsException(), message.Type == "error", message.Type == "warning":
			b.t.Errorf("the page complained: %s %s", message.Text, message.URL)
		}
	}
}

// noSideways fails if the page can be scrolled to the side.
func (b *browser) noSideways() {
	b.t.Helper()
	if over := value[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		b.t.Errorf("the page is %d px wider than the window", over)
	}
}

// busyHour fills an org with an hour of changes and subscriptions that fare differently.
func busyHour(a *archive, org string, now time.Time) {
	names := []string{"Acme GmbH", "Harbour Ltd", "Möwe & Söhne", "Lighthouse", "Tideline"}
	for minute := 59; minute > 0; minute-- {
		for i := range (minute*37+11)%23 + 3 {
			at := now.Add(-time.Duration(minute)*time.Minute + time.Duration(i)*time.Second)
			n := (minute + i) % len(names)
			id := fmt.Sprintf("acc_%d", n+1)
			switch {
			case minute == 59 && i < len(names):
				a.add(account(org, fmt.Sprintf("acc_%d", i+1), names[i], carillon.OpCreated, at))
			case (minute+i)%3 == 0:
				a.add(account(org, id, names[n], carillon.OpUpdated, at,
					carillon.MemberChange{Name: "health", How: carillon.Updated},
					carillon.MemberChange{Name: "customFields.tier", How: carillon.Added}))
			default:
				a.add(account(org, id, names[n], carillon.OpUpdated, at, carillon.MemberChange{Name: "tags", How: carillon.Updated}))
			}
		}
	}
	contact := account(org, "con_1", "", carillon.OpCreated, now)
	contact.Ref, contact.Lane = carillon.Ref{Kind: carillon.KindContact, ID: "con_1"}, "acc_1"
	contact.After = []byte(`{"id":"con_1","firstName":"Accounts","lastName":"Payable","email":"payable@example.com","type":"CUSTOMER","status":"ACTIVE","accountId":"acc_1"}`)
	a.add(contact)
	a.add(account(org, "acc_5", "Tideline", carillon.OpDeleted, now))

	a.subscribe(carillon.Subscription{Org: org, ID: "sub_1", Name: "crm", Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://crm.example.com/hooks/carillon?token=hidden"}},
		deliver.Status{State: carillon.StateActive, Delivered: 18_204, Failed: 3})
	a.subscribe(carillon.Subscription{Org: org, ID: "sub_2", Name: "warehouse", Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://ingest.example.org/events"}},
		deliver.Status{State: carillon.StateDegraded, Lag: 1_204, ParkedLanes: 3, DeadLetters: 1, Delivered: 9_120, Failed: 88, LastError: "dial tcp 203.0.113.7:443: connect: connection refused"})
	a.subscribe(carillon.Subscription{Org: org, ID: "sub_3", Name: "old-billing", Dialect: "platform", DisabledReason: "the endpoint answered 410 Gone", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://billing.example.net/in"}},
		deliver.Status{State: carillon.StateDisabled, Lag: 412, Delivered: 2})
	a.subscribe(carillon.Subscription{Org: org, ID: "sub_4", Name: "analytics", Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://analytics.example.com/x"}},
		deliver.Status{State: carillon.StatePaused, Lag: 77, Delivered: 100})
}

func TestTheFirstPageInABrowser(t *testing.T) {
	a := newArchive()
	busyHour(a, "dev", time.Now())
	server := open(t, a, dev)
	b := startBrowser(t)

	b.size(1280, 860, false)
	b.do(chromedp.Navigate(server.URL))
	b.until(`document.getElementById("live").dataset.state === "on"`)
	b.noSideways()
	b.picture("light")

	// A write shows by itself, and the figures follow.
	before := value[string](b, `document.querySelector(".tile .figure").textContent`)
	a.add(account("dev", "acc_new", "Newcomer Ltd", carillon.OpCreated, time.Now()))
	b.until(`document.querySelector("#feed li.fresh .about b")?.textContent === "Newcomer Ltd"`)
	b.until(fmt.Sprintf(`document.querySelector(".tile .figure").textContent !== %q`, before))
	b.until(`document.getElementById("announce").textContent.includes("account:created")`)

	// An event opens in the sheet by keyboard, and Escape leads back to where it was opened.
	b.do(chromedp.Focus(chromedp.CSS(`#feed li:first-child a`)), chromedp.KeyEvent("\r"))
	b.until(`document.getElementById("sheet").open`)
	if text := value[string](b, `document.getElementById("json-platform-0").textContent`); !strings.Contains(text, `"name": "Newcomer Ltd"`) || !strings.Contains(text, `"eventType": "account:created"`) {
		t.Errorf("the sheet shows %s, want the event", text)
	}
	b.picture("sheet-light")
	b.do(chromedp.Click(chromedp.CSS(`#sheet .copy`)))
	b.until(`document.querySelector("#sheet .copy").textContent === "Copied"`)
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById("sheet").open`)
	if !value[bool](b, `document.activeElement.matches("#feed li:first-child a")`) {
		t.Error("closing the sheet lost the focus")
	}

	// Paused, nothing moves; going on tells what was missed.
	b.do(chromedp.Click(chromedp.CSS(`#pause`)))
	b.until(`document.getElementById("live").dataset.state === "off"`)
	a.add(account("dev", "acc_paused", "Meanwhile Inc", carillon.OpCreated, time.Now()))
	b.do(chromedp.Click(chromedp.CSS(`#pause`)))
	b.until(`document.querySelector("#feed li .about b").textContent === "Meanwhile Inc"`)

	b.size(1280, 860, true)
	b.until(`getComputedStyle(document.body).backgroundColor === "rgb(19, 21, 24)"`)
	b.picture("dark")
	b.do(chromedp.Click(chromedp.CSS(`#feed li:nth-child(2) a`)))
	b.until(`document.getElementById("sheet").open`)
	b.picture("sheet-dark")
	b.do(chromedp.Click(chromedp.CSS(`#sheet .close`)))

	b.size(380, 780, false)
	b.noSideways()
	b.picture("narrow-top")
	b.do(chromedp.ScrollIntoView(chromedp.CSS(`#events-title`)))
	b.picture("narrow-events")
	b.quiet()
}

func TestOneChangeInEveryDialectInABrowser(t *testing.T) {
	a := newArchive()
	a.add(account("dev", "acc_1", "Harbour Ltd", carillon.OpCreated, time.Now()))
	a.add(account("dev", "acc_1", "Harbour Ltd", carillon.OpUpdated, time.Now(), carillon.MemberChange{Name: "health", How: carillon.Updated}))
	server := open(t, a, dev)
	b := startBrowser(t)

	b.size(1280, 860, false)
	b.do(chromedp.Navigate(server.URL))
	b.until(`document.getElementById("live").dataset.state === "on"`)
	b.do(chromedp.Focus(chromedp.CSS(`#feed li:first-child a`)), chromedp.KeyEvent("\r"))
	b.until(`document.getElementById("sheet").open`)

	// By keyboard from dialect to dialect, inside the sheet.
	b.do(chromedp.Focus(chromedp.CSS(`#sheet .tongue[aria-current]`)), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.activeElement.textContent === "neon"`)
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.getElementById("json-neon-0")?.textContent.includes('"eventTrigger": "editAccount"')`)
	if !value[bool](b, `document.activeElement.textContent === "neon" && document.activeElement.hasAttribute("aria-current")`) {
		t.Error("choosing a dialect lost the focus")
	}
	b.picture("dialect-neon-light")

	// Side by side: all of them, in columns that scroll inside the sheet.
	b.do(chromedp.Click(chromedp.CSS(`#sheet .tongue:last-child`)))
	b.until(`document.querySelectorAll("#sheet .side-by-side .telling pre").length === 5`)
	if width := value[int](b, `document.getElementById("sheet").clientWidth`); width < 1200 {
		t.Errorf("the sheet is %d px wide, with five dialects in it", width)
	}
	b.noSideways()
	b.picture("side-by-side-light")
	b.do(chromedp.Click(chromedp.CSS(`#sheet .telling:nth-child(2) .copy`)))
	b.until(`document.querySelector("#sheet .telling:nth-child(2) .copy").textContent === "Copied"`)
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById("sheet").open`)

	// The same page for itself: links work without the script that keeps them in the sheet.
	b.size(1600, 900, true)
	b.do(chromedp.Navigate(server.URL + "/console/events/2/1?in=all"))
	b.until(`document.querySelectorAll(".side-by-side .telling pre").length === 5`)
	b.noSideways()
	b.picture("side-by-side-dark")
	b.do(chromedp.Click(chromedp.CSS(`.tongues a[href$="in=smarterpay"]`)), chromedp.WaitVisible(chromedp.CSS(`.alone #json-smarterpay-0`)))
	b.picture("dialect-smarterpay-dark")

	b.size(380, 780, false)
	b.noSideways()
	b.picture("dialect-narrow")
	b.do(chromedp.Navigate(server.URL + "/console/events/2/1?in=all"))
	b.until(`document.querySelectorAll(".side-by-side .telling pre").length === 5`)
	b.noSideways()
	b.picture("side-by-side-narrow")
	b.quiet()
}

func TestAnEmptyHouseExplainsItselfInABrowser(t *testing.T) {
	a := newArchive()
	server := open(t, a, dev)
	b := startBrowser(t)

	b.size(1280, 860, false)
	b.do(chromedp.Navigate(server.URL))
	b.until(`document.getElementById("live").dataset.state === "on"`)
	if text := value[string](b, `document.getElementById("try-create").textContent`); !strings.Contains(text, "curl -X PUT "+server.URL+"/v1/accounts/acme") || !strings.Contains(text, "Bearer dev") {
		t.Errorf("the first step is %q", text)
	}
	b.picture("empty-light")
	b.size(380, 780, true)
	b.noSideways()
	b.picture("empty-narrow-dark")

	a.add(account("dev", "acme", "Acme", carillon.OpCreated, time.Now()))
	b.until(`!document.getElementById("welcome") && document.querySelector("#feed li") !== null`)
	b.quiet()
}

func TestSigningInInABrowser(t *testing.T) {
	a := newArchive()
	a.add(account("acme", "acc_1", "Ours", carillon.OpCreated, time.Now()))
	server := open(t, a, nil)
	b := startBrowser(t)

	b.size(1280, 860, false)
	b.do(chromedp.Navigate(server.URL), chromedp.WaitVisible(chromedp.CSS(`#key`)))
	b.picture("signin")
	b.do(chromedp.SendKeys(chromedp.CSS(`#key`), "acme-key\r"), chromedp.WaitVisible(chromedp.CSS(`#feed li`)))
	if org := value[string](b, `document.querySelector(".org").textContent`); !strings.HasSuffix(org, "acme") {
		t.Errorf("signed in to %q, want acme", org)
	}
	if cookies := value[string](b, `document.cookie`); cookies != "" {
		t.Errorf("scripts can read the cookies %q", cookies)
	}
	b.do(chromedp.Click(chromedp.CSS(`.links form button`)), chromedp.WaitVisible(chromedp.CSS(`#key`)))
	b.quiet()
}

func TestHostileNamesStayTextInABrowser(t *testing.T) {
	a := newArchive()
	hostile := `<script>window.taken=1</script><img src=x onerror="window.taken=2">`
	a.add(account("dev", "acc_1", hostile, carillon.OpCreated, time.Now()))
	server := open(t, a, func(cfg *console.Config) { cfg.Dev = true })
	b := startBrowser(t)

	b.do(chromedp.Navigate(server.URL))
	b.until(`document.getElementById("live").dataset.state === "on"`)
	a.add(account("dev", "acc_2", hostile, carillon.OpCreated, time.Now()))
	b.until(`document.querySelectorAll("#feed li").length === 2`)
	b.do(chromedp.Click(chromedp.CSS(`#feed li:first-child a`)))
	b.until(`document.getElementById("sheet").open`)
	for _, place := range []string{`#feed li:first-child .about b`, `#feed li:last-child .about b`} {
		if text := value[string](b, fmt.Sprintf(`document.querySelector(%q).textContent`, place)); text != hostile[:len(text)-len("…")]+"…" && text != hostile {
			t.Errorf("%s shows %q, want the name as text", place, text)
		}
	}
	if value[bool](b, `"taken" in window`) {
		t.Error("a name ran as a script")
	}
	b.quiet()
}

func TestAWriteThroughTheAPIAppearsInABrowser(t *testing.T) {
	house := openHouse(t)
	arrived := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("webhook-id")
	}))
	t.Cleanup(receiver.Close)
	b := startBrowser(t)
	b.size(1280, 860, false)
	b.do(chromedp.Navigate(house.URL))
	b.until(`document.getElementById("live").dataset.state === "on"`)

	call := func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, house.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		response, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if text, _ := io.ReadAll(response.Body); response.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s\n%s", method, path, response.Status, text)
		}
	}
	call(http.MethodPost, "/v1/subscriptions", fmt.Sprintf(`{"name":"crm","dialect":"platform","sink":{"type":"webhook","url":%q}}`, receiver.URL+"/hook"))
	b.until(`document.querySelector(".subscription strong")?.textContent === "crm"`)
	call(http.MethodPut, "/v1/accounts/acme", `{"name":"Acme <&> Co","health":"Healthy"}`)
	call(http.MethodPatch, "/v1/accounts/acme", `{"health":"At Risk"}`)

	b.until(`[...document.querySelectorAll("#feed .type")].map((e) => e.textContent).join() === "account-health:changed,account:updated,account:created"`)
	b.until(`document.querySelector("#feed .about b").textContent === "Acme <&> Co"`)
	b.until(`document.querySelector(".subscription dl div:nth-child(4)").textContent === "delivered3"`)
	b.picture("house")
	var id string
	for range 3 {
		id = <-arrived
	}
	b.do(chromedp.Click(chromedp.CSS(`#feed li:first-child a`)))
	b.until(`document.getElementById("sheet").open`)
	if text := value[string](b, `document.getElementById("json-platform-1").textContent`); !strings.Contains(text, id) {
		t.Errorf("the sheet shows another event than was delivered as %s: %s", id, text)
	}
	b.quiet()
}
