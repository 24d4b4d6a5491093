package console_test

import (
	"archive/zip"
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"carillon/internal/testenv/browser"
)

// greeterFiles are an app that says hello to new accounts, and fails with one of them.
var greeterFiles = map[string]string{
	"manifest.json": `{"platform-version": "2.3", "product": {"platform": {"events": {"account:created": {"handler": "onAccount"}}}},
		"engines": {"node": "18.20.8", "fdk": "9.7.4"}}`,
	"config/iparams.json": `{"greeting": {"display_name": "Greeting", "type": "text", "required": true},
		"token": {"display_name": "Token", "type": "text", "secure": true}}`,
	"server/server.js": `exports = {
  onAccount: function (args) {
    console.info(args.iparams.greeting + ', ' + args.payload.account.name + '<b>!</b>');
    if (args.payload.account.name === 'Boom') {
      throw new Error('it went off');
    }
  }
};
`,
}

// installGreeter installs the app over the API of a house and gives its id.
func installGreeter(t *testing.T, house *httptest.Server) string {
	t.Helper()
	var body, pkg bytes.Buffer
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := zip.NewWriter(&pkg)
	for name, content := range greeterFiles {
		f, err := w.Create(name)
		must(err)
		_, err = io.WriteString(f, content)
		must(err)
	}
	must(w.Close())
	form := multipart.NewWriter(&body)
	must(form.WriteField("name", "greeter"))
	must(form.WriteField("iparams", `{"greeting": "Hello", "token": "s3cret-token"}`))
	must(form.WriteField("package", pkg.String()))
	must(form.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, house.URL+"/v1/apps", &body)
	must(err)
	r.Header.Set("Authorization", "Bearer dev")
	r.Header.Set("Content-Type", form.FormDataContentType())
	response, err := client(t).Do(r)
	must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(err)
	id := regexp.MustCompile(`"id":"(app_[0-9a-z]+)"`).FindSubmatch(answer)
	if response.StatusCode != http.StatusCreated || id == nil {
		t.Fatalf("install: %s %s", response.Status, answer)
	}
	return string(id[1])
}

func TestInstalledAppsAreTriedOnAPageWithoutScripts(t *testing.T) {
	house := openHouse(t)
	c := client(t)
	fetch := func(address string, form url.Values) (int, string) {
		t.Helper()
		if form == nil {
			response, body := get(t, c, address)
			return response.StatusCode, body
		}
		response, body := ask(t, c, http.MethodPost, address, form)
		return response.StatusCode, body
	}
	_, empty := fetch(house.URL+"/console/apps", nil)
	holds(t, empty, "No app is installed yet", "carillon app install")
	id := installGreeter(t, house)
	at := house.URL + "/console/apps/" + id
	_, list := fetch(house.URL+"/console/apps", nil)
	holds(t, list, "greeter", "installed", "No handler has run yet", "1 subscription", "but not", "s3cret-token")
	_, page := fetch(at, nil)
	holds(t, page, `<option selected>account:created</option>`, "runs <code>onAccount</code>", `action="/console/apps/`+id+`"`)

	payload := func(name string) url.Values {
		_, rest, _ := strings.Cut(page, "<textarea")
		_, rest, _ = strings.Cut(rest, ">\n")
		text, _, _ := strings.Cut(rest, "</textarea>")
		text = regexp.MustCompile(`(&#34;account&#34;: \{\s+&#34;id&#34;: &#34;[^&]*&#34;,\s+&#34;name&#34;: &#34;)[^&]*`).ReplaceAllString(text, "${1}"+name)
		return url.Values{"product": {"platform"}, "event": {"account:created"}, "payload": {strings.ReplaceAll(strings.ReplaceAll(text, "&#34;", `"`), "&#43;", "+")}}
	}
	status, tried := fetch(at, payload("Zebedee"))
	if status != http.StatusOK {
		t.Errorf("simulating answers %d", status)
	}
	holds(t, tried, `data-word="Success"`, "Hello, Zebedee&lt;b&gt;!&lt;/b&gt;", "but not", "s3cret-token", "<b>!</b>")
	_, tried = fetch(at, payload("Boom"))
	holds(t, tried, `data-word="Failed"`, "it went off", "server/server.js:5", `class="line guilty"`)
	_, list = fetch(house.URL+"/console/apps", nil)
	holds(t, list, "Failed", "account:created")

	_, form := fetch(at+"/parameters", nil)
	holds(t, form, `value="Hello"`, "is set; leave empty to keep it", "but not", "s3cret-token", "********")
	status, form = fetch(at+"/parameters", url.Values{"greeting": {""}, "token": {""}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a required parameter left out answers %d: %s", status, form)
	}
	holds(t, form, `aria-invalid="true"`)
	fetch(at+"/parameters", url.Values{"greeting": {"Good day"}, "token": {""}})
	_, tried = fetch(at, payload("Zebedee"))
	holds(t, tried, "Good day, Zebedee")

	if status, _ = fetch(at, url.Values{"product": {"platform"}, "event": {"nothing"}, "payload": {"{}"}}); status != http.StatusBadRequest {
		t.Errorf("an event that nobody handles answers %d", status)
	}
	if status, _ = fetch(house.URL+"/console/apps/app_none", nil); status != http.StatusNotFound {
		t.Errorf("an app that is not there answers %d", status)
	}
}

func TestAppsAreForAdministrators(t *testing.T) {
	server := open(t, newArchive(), nil)
	c := client(t)
	signIn(t, c, server, "acme-key")
	for _, path := range []string{"/console/apps", "/console/apps/app_1", "/console/apps/app_1/parameters", "/console/apps/app_1/live"} {
		if response, _ := get(t, c, server.URL+path); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s answers %d to one who only reads", path, response.StatusCode)
		}
	}
}

func TestAnInstalledAppInABrowser(t *testing.T) {
	house := openHouse(t)
	id := installGreeter(t, house)
	b := browser.Start(t)
	b.Size(1280, 860, false)
	b.Do(chromedp.Navigate(house.URL + "/console/apps"))
	b.Picture("apps-light")
	b.Do(chromedp.Click(chromedp.CSS(`.app .name a`)), chromedp.WaitVisible(chromedp.CSS(`#payload`)))
	b.Until(`document.getElementById("gutter")?.childElementCount > 10`)
	b.NoSideways()
	b.Do(chromedp.Click(chromedp.CSS(`#go`)))
	b.Until(`document.getElementById("go-text").textContent === "Success"`)
	b.Until(`document.querySelectorAll("#runs [data-run]").length === 1`)

	// What really happens shows by itself.
	callAs(t, http.MethodPut, house.URL+"/v1/accounts/acc_9", `{"name": "Boom"}`)
	b.Until(`document.querySelectorAll("#runs [data-run]").length > 1 && document.querySelector("#runs .mark").textContent === "Failed"`)
	b.Do(chromedp.Click(chromedp.CSS(`#runs summary`)))
	b.Until(`document.querySelector("#runs details[open]").innerText.includes("it went off")`)
	b.Picture("app-light")
	b.Size(1280, 860, true)
	b.Picture("app-dark")
	b.Size(380, 780, false)
	b.NoSideways()
	b.Do(chromedp.Navigate(house.URL + "/console/apps/" + id + "/parameters"))
	b.NoSideways()
	b.Size(1280, 860, false)
	b.Picture("app-parameters")
	b.Quiet()
}
