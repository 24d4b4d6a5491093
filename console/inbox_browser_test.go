package console_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"carillon/internal/testenv/browser"
)

// callAs sends a request to a house with the key dev and gives the answer's body.
func callAs(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
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
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %v\n%s", method, url, response.Status, err, text)
	}
	return string(text)
}

// between gives the text between two others.
func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	inner, _, closed := strings.Cut(rest, after)
	if !found || !closed {
		t.Fatalf("%q lacks %q or %q", text, before, after)
	}
	return inner
}

func TestADeliveryIsRunAgainInABrowser(t *testing.T) {
	house := openHouse(t)
	b := browser.Start(t)
	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(house.URL+"/"), chromedp.Click(chromedp.CSS(`.rooms a[href="/console/inbox"]`)), chromedp.WaitVisible(chromedp.CSS(`#try-connect`)))
	b.NoSideways()
	b.Picture("inbox-empty")

	callAs(t, http.MethodPost, house.URL+"/v1/fields/account", `{"uid":"tier","label":"Tier","type":"dropdown","options":["gold","silver"]}`)
	shop := between(t, callAs(t, http.MethodPost, house.URL+"/v1/connections", `{"name":"shop","dialect":"platform","verify":{"type":"none"}}`), `"url":"`, `"`)
	donors := between(t, callAs(t, http.MethodPost, house.URL+"/v1/connections", `{"name":"donors","dialect":"neon","verify":{"type":"parameter","name":"key","value":"s3cret"}}`), `"url":"`, `"`)
	const odd = `{"eventId":"evt_1","eventType":"account:created","timestamp":"2026-01-01T00:00:00Z","payload":{"account":{"id":"acc_1","name":"<b>Harbour</b> & Söhne","health":"Healthy","customFields":{"tier":["brass"]}}}}`
	id := between(t, callAs(t, http.MethodPost, house.URL+shop, odd), `"id":"`, `"`)
	callAs(t, http.MethodPost, house.URL+donors+"?key=s3cret", `{"eventTrigger":"createAccount","eventTimestamp":"2026-02-01T09:00:00.000-06:00","organizationId":"demo","data":{"organizationAccount":{"accountId":3543,"organizationName":"Tideline Trust"}},"customParameters":{"key":"s3cret"}}`)
	callAs(t, http.MethodPost, house.URL+shop, `{"eventId":"evt_2","eventType":"account-note:created","timestamp":"2026-01-01T00:00:00Z","payload":{"note":{"id":"n_1","accountId":"acc_9","title":"Call","content":"went well"}}}`)
	deadline := time.Now().Add(browser.Patience)
	for strings.Contains(callAs(t, http.MethodGet, house.URL+"/v1/inbox?state=received", ""), `"id"`) {
		if time.Now().After(deadline) {
			t.Fatal("the deliveries were never tried")
		}
		<-time.After(5 * time.Millisecond)
	}
	b.Do(chromedp.Navigate(house.URL+"/console/inbox"), chromedp.WaitVisible(chromedp.CSS(`.delivery`)))
	b.NoSideways()
	b.Picture("inbox-light")
	b.Size(1280, 860, true)
	b.Picture("inbox-dark")
	b.Size(1280, 860, false)

	// By keyboard: those that are quarantined, then one of them.
	b.Do(chromedp.Focus(chromedp.CSS(`.deliveries .tongue[href$="state=quarantined"]`)), chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.CSS(`.tongue[aria-current][href$="state=quarantined"]`)))
	if n := browser.Value[int](b, `document.querySelectorAll(".delivery").length`); n != 2 {
		t.Errorf("%d deliveries are quarantined, want 2", n)
	}
	b.Do(chromedp.Focus(chromedp.CSS(`.delivery[href="/console/inbox/`+id+`"]`)), chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.CSS(`#retry`)))
	if text := browser.Value[string](b, `document.querySelector(".why").textContent`); !strings.Contains(text, "/customFields/tier/0") {
		t.Errorf("the problem is %q", text)
	}
	if text := browser.Value[string](b, `document.getElementById("came").textContent`); !strings.Contains(text, `"name": "<b>Harbour</b> & Söhne"`) {
		t.Errorf("what came is %q", text)
	}
	b.NoSideways()
	b.Picture("delivery-light")
	b.Size(380, 780, true)
	b.NoSideways()
	b.Picture("delivery-narrow-dark")
	b.Size(1280, 860, true)
	b.Picture("delivery-dark")

	// What was wrong is put right, and the delivery run again from its page.
	callAs(t, http.MethodPut, house.URL+"/v1/fields/account/tier", `{"uid":"tier","label":"Tier","type":"dropdown","options":["gold","silver","brass"]}`)
	b.Do(chromedp.Focus(chromedp.CSS(`#retry`)), chromedp.KeyEvent("\r"), chromedp.WaitVisible(chromedp.CSS(`#delivery [data-state="applied"]`)))
	if browser.Value[bool](b, `document.getElementById("retry") !== null`) {
		t.Error("what is applied can be run again")
	}
	b.Picture("delivery-applied-dark")
	b.Size(1280, 860, false)
	b.Do(chromedp.Click(chromedp.CSS(`.told a.event`)))
	b.Until(`document.getElementById("sheet").open && document.getElementById("json-platform-0").textContent.includes('"brass"')`)
	b.Picture("delivery-sheet-light")
	b.Do(chromedp.KeyEvent("\x1b"))
	b.Until(`!document.getElementById("sheet").open`)
	if browser.Value[bool](b, `document.querySelector("#delivery b:not(.type), .told .about b b") !== null && document.querySelector("#came b") !== null`) {
		t.Error("what came is markup")
	}
	b.Size(380, 780, false)
	b.Do(chromedp.Navigate(house.URL+"/console/inbox"), chromedp.WaitVisible(chromedp.CSS(`.delivery`)))
	b.NoSideways()
	b.Picture("inbox-narrow")
	b.Quiet()
}
