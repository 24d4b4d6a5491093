package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"carillon"
	"carillon/console"
	"carillon/deliver"
	"carillon/internal/testenv/browser"
)

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
	b := browser.Start(t)

	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(server.URL))
	b.Until(`document.getElementById("live").dataset.state === "on"`)
	b.NoSideways()
	b.Picture("light")

	// A write shows by itself, and the figures follow.
	before := browser.Value[string](b, `document.querySelector(".tile .figure").textContent`)
	a.add(account("dev", "acc_new", "Newcomer Ltd", carillon.OpCreated, time.Now()))
	b.Until(`document.querySelector("#feed li.fresh .about b")?.textContent === "Newcomer Ltd"`)
	b.Until(fmt.Sprintf(`document.querySelector(".tile .figure").textContent !== %q`, before))
	b.Until(`document.getElementById("announce").textContent.includes("account:created")`)

	// An event opens in the sheet by keyboard, and Escape leads back to where it was opened.
	b.Do(chromedp.Focus(chromedp.CSS(`#feed li:first-child a`)), chromedp.KeyEvent("\r"))
	b.Until(`document.getElementById("sheet").open`)
	if text := browser.Value[string](b, `document.getElementById("json-platform-0").textContent`); !strings.Contains(text, `"name": "Newcomer Ltd"`) || !strings.Contains(text, `"eventType": "account:created"`) {
		t.Errorf("the sheet shows %s, want the event", text)
	}
	b.Picture("sheet-light")
	b.Do(chromedp.Click(chromedp.CSS(`#sheet .copy`)))
	b.Until(`document.querySelector("#sheet .copy").textContent === "Copied"`)
	b.Do(chromedp.KeyEvent("\x1b"))
	b.Until(`!document.getElementById("sheet").open`)
	if !browser.Value[bool](b, `document.activeElement.matches("#feed li:first-child a")`) {
		t.Error("closing the sheet lost the focus")
	}

	// Paused, nothing moves; going on tells what was missed.
	b.Do(chromedp.Click(chromedp.CSS(`#pause`)))
	b.Until(`document.getElementById("live").dataset.state === "off"`)
	a.add(account("dev", "acc_paused", "Meanwhile Inc", carillon.OpCreated, time.Now()))
	b.Do(chromedp.Click(chromedp.CSS(`#pause`)))
	b.Until(`document.querySelector("#feed li .about b").textContent === "Meanwhile Inc"`)

	b.Size(1280, 860, true)
	b.Until(`getComputedStyle(document.body).backgroundColor === "rgb(19, 21, 24)"`)
	b.Picture("dark")
	b.Do(chromedp.Click(chromedp.CSS(`#feed li:nth-child(2) a`)))
	b.Until(`document.getElementById("sheet").open`)
	b.Picture("sheet-dark")
	b.Do(chromedp.Click(chromedp.CSS(`#sheet .close`)))

	b.Size(380, 780, false)
	b.NoSideways()
	b.Picture("narrow-top")
	b.Do(chromedp.ScrollIntoView(chromedp.CSS(`#events-title`)))
	b.Picture("narrow-events")
	b.Quiet()
}

func TestOneChangeInEveryDialectInABrowser(t *testing.T) {
	a := newArchive()
	a.add(account("dev", "acc_1", "Harbour Ltd", carillon.OpCreated, time.Now()))
	a.add(account("dev", "acc_1", "Harbour Ltd", carillon.OpUpdated, time.Now(), carillon.MemberChange{Name: "health", How: carillon.Updated}))
	server := open(t, a, dev)
	b := browser.Start(t)

	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(server.URL))
	b.Until(`document.getElementById("live").dataset.state === "on"`)
	b.Do(chromedp.Focus(chromedp.CSS(`#feed li:first-child a`)), chromedp.KeyEvent("\r"))
	b.Until(`document.getElementById("sheet").open`)

	// By keyboard from dialect to dialect, inside the sheet.
	b.Do(chromedp.Focus(chromedp.CSS(`#sheet .tongue[aria-current]`)), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	b.Until(`document.activeElement.textContent === "neon"`)
	b.Do(chromedp.KeyEvent("\r"))
	b.Until(`document.getElementById("json-neon-0")?.textContent.includes('"eventTrigger": "editAccount"')`)
	if !browser.Value[bool](b, `document.activeElement.textContent === "neon" && document.activeElement.hasAttribute("aria-current")`) {
		t.Error("choosing a dialect lost the focus")
	}
	b.Picture("dialect-neon-light")

	// Side by side: all of them, in columns that scroll inside the sheet.
	b.Do(chromedp.Click(chromedp.CSS(`#sheet .tongue:last-child`)))
	b.Until(`document.querySelectorAll("#sheet .side-by-side .telling pre").length === 5`)
	if width := browser.Value[int](b, `document.getElementById("sheet").clientWidth`); width < 1200 {
		t.Errorf("the sheet is %d px wide, with five dialects in it", width)
	}
	b.NoSideways()
	b.Picture("side-by-side-light")
	b.Do(chromedp.Click(chromedp.CSS(`#sheet .telling:nth-child(2) .copy`)))
	b.Until(`document.querySelector("#sheet .telling:nth-child(2) .copy").textContent === "Copied"`)
	b.Do(chromedp.KeyEvent("\x1b"))
	b.Until(`!document.getElementById("sheet").open`)

	// The same page for itself: links work without the script that keeps them in the sheet.
	b.Size(1600, 900, true)
	b.Do(chromedp.Navigate(server.URL + "/console/events/2/1?in=all"))
	b.Until(`document.querySelectorAll(".side-by-side .telling pre").length === 5`)
	b.NoSideways()
	b.Picture("side-by-side-dark")
	b.Do(chromedp.Click(chromedp.CSS(`.tongues a[href$="in=smarterpay"]`)), chromedp.WaitVisible(chromedp.CSS(`.alone #json-smarterpay-0`)))
	b.Picture("dialect-smarterpay-dark")

	b.Size(380, 780, false)
	b.NoSideways()
	b.Picture("dialect-narrow")
	b.Do(chromedp.Navigate(server.URL + "/console/events/2/1?in=all"))
	b.Until(`document.querySelectorAll(".side-by-side .telling pre").length === 5`)
	b.NoSideways()
	b.Picture("side-by-side-narrow")
	b.Quiet()
}

func TestAnEmptyHouseExplainsItselfInABrowser(t *testing.T) {
	a := newArchive()
	server := open(t, a, dev)
	b := browser.Start(t)

	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(server.URL))
	b.Until(`document.getElementById("live").dataset.state === "on"`)
	if text := browser.Value[string](b, `document.getElementById("try-create").textContent`); !strings.Contains(text, "curl -X PUT "+server.URL+"/v1/accounts/acme") || !strings.Contains(text, "Bearer dev") {
		t.Errorf("the first step is %q", text)
	}
	b.Picture("empty-light")
	b.Size(380, 780, true)
	b.NoSideways()
	b.Picture("empty-narrow-dark")

	a.add(account("dev", "acme", "Acme", carillon.OpCreated, time.Now()))
	b.Until(`!document.getElementById("welcome") && document.querySelector("#feed li") !== null`)
	b.Quiet()
}

func TestSigningInInABrowser(t *testing.T) {
	a := newArchive()
	a.add(account("acme", "acc_1", "Ours", carillon.OpCreated, time.Now()))
	server := open(t, a, nil)
	b := browser.Start(t)

	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(server.URL), chromedp.WaitVisible(chromedp.CSS(`#key`)))
	b.Picture("signin")
	b.Do(chromedp.SendKeys(chromedp.CSS(`#key`), "acme-key\r"), chromedp.WaitVisible(chromedp.CSS(`#feed li`)))
	if org := browser.Value[string](b, `document.querySelector(".org").textContent`); !strings.HasSuffix(org, "acme") {
		t.Errorf("signed in to %q, want acme", org)
	}
	if cookies := browser.Value[string](b, `document.cookie`); cookies != "" {
		t.Errorf("scripts can read the cookies %q", cookies)
	}
	b.Do(chromedp.Click(chromedp.CSS(`.links form button`)), chromedp.WaitVisible(chromedp.CSS(`#key`)))
	b.Quiet()
}

func TestHostileNamesStayTextInABrowser(t *testing.T) {
	a := newArchive()
	hostile := `<script>window.taken=1</script><img src=x onerror="window.taken=2">`
	a.add(account("dev", "acc_1", hostile, carillon.OpCreated, time.Now()))
	server := open(t, a, func(cfg *console.Config) { cfg.Dev = true })
	b := browser.Start(t)

	b.Do(chromedp.Navigate(server.URL))
	b.Until(`document.getElementById("live").dataset.state === "on"`)
	a.add(account("dev", "acc_2", hostile, carillon.OpCreated, time.Now()))
	b.Until(`document.querySelectorAll("#feed li").length === 2`)
	b.Do(chromedp.Click(chromedp.CSS(`#feed li:first-child a`)))
	b.Until(`document.getElementById("sheet").open`)
	for _, place := range []string{`#feed li:first-child .about b`, `#feed li:last-child .about b`} {
		if text := browser.Value[string](b, fmt.Sprintf(`document.querySelector(%q).textContent`, place)); text != hostile[:len(text)-len("…")]+"…" && text != hostile {
			t.Errorf("%s shows %q, want the name as text", place, text)
		}
	}
	if browser.Value[bool](b, `"taken" in window`) {
		t.Error("a name ran as a script")
	}
	b.Quiet()
}

func TestAWriteThroughTheAPIAppearsInABrowser(t *testing.T) {
	house := openHouse(t)
	arrived := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("webhook-id")
	}))
	t.Cleanup(receiver.Close)
	b := browser.Start(t)
	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(house.URL))
	b.Until(`document.getElementById("live").dataset.state === "on"`)

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
	b.Until(`document.querySelector(".subscription strong")?.textContent === "crm"`)
	call(http.MethodPut, "/v1/accounts/acme", `{"name":"Acme <&> Co","health":"Healthy"}`)
	call(http.MethodPatch, "/v1/accounts/acme", `{"health":"At Risk"}`)

	b.Until(`[...document.querySelectorAll("#feed .type")].map((e) => e.textContent).join() === "account-health:changed,account:updated,account:created"`)
	b.Until(`document.querySelector("#feed .about b").textContent === "Acme <&> Co"`)
	b.Until(`document.querySelector(".subscription dl div:nth-child(4)").textContent === "delivered3"`)
	b.Picture("house")
	var id string
	for range 3 {
		id = <-arrived
	}
	b.Do(chromedp.Click(chromedp.CSS(`#feed li:first-child a`)))
	b.Until(`document.getElementById("sheet").open`)
	if text := browser.Value[string](b, `document.getElementById("json-platform-1").textContent`); !strings.Contains(text, id) {
		t.Errorf("the sheet shows another event than was delivered as %s: %s", id, text)
	}
	b.Quiet()
}
