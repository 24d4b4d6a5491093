package simulator_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"carillon/internal/testenv/browser"
)

// moody is an app whose handlers fare differently.
var moody = map[string]string{
	"manifest.json": `{
  "platform-version": "2.3",
  "product": {
    "freshworks_crm": {
      "events": {
        "onContactCreate": { "handler": "onContact" },
        "onContactUpdate": { "handler": "onContact" },
        "onDealCreate": { "handler": "onDeal" },
        "onDealUpdate": { "handler": "forEver" }
      }
    },
    "platform": {
      "events": { "account-health:changed": { "handler": "onHealth" } }
    }
  },
  "engines": { "node": "18.20.8", "fdk": "9.7.4" }
}
`,
	"server/server.js": `exports = {
  onContact: function (args) {
    const contact = args.data.contact;
    console.info('a contact of ' + args.account_id + ': ' + contact.first_name.value);
    console.warn('its mobile number is ' + contact.mobile_number.value);
  },
  onDeal: function (args) {
    const deal = args.data.deal;
    const stage = stageOf(deal);
    console.log('the stage is ' + stage.name);
  },
  forEver: function () {
    console.debug('here we go');
    for (;;) {}
  },
  onHealth: function (args) {
    console.info('health of ' + args.payload.account.name + ' is ' + args.payload.account.health);
    renderData(null, { told: true });
  }
};

function stageOf(deal) {
  return deal.no_such_member.value;
}
`,
	"config/iparams.json": `{
  "region": { "display_name": "Region", "type": "dropdown", "options": ["north", "south"], "default_value": "north" },
  "token": { "display_name": "Token of the other side", "description": "Its settings page shows it", "type": "text", "required": true, "secure": true }
}
`,
}

// choose takes an entry of a list as a person does, so that the page hears of it.
func choose(p *browser.Page, list, value string) {
	p.Do(chromedp.Evaluate[chromedp.Void](`(() => {
		const list = document.getElementById("` + list + `");
		list.value = "` + value + `";
		list.dispatchEvent(new Event("change", { bubbles: true }));
	})()`))
}

func TestSimulatingInABrowser(t *testing.T) {
	l := open(t, moody)
	p := browser.Start(t)
	p.Size(1280, 860, false)
	p.Do(chromedp.Navigate(l.URL + "/web/test"))
	p.Until(`document.getElementById("gutter")?.childElementCount > 20`)
	p.NoSideways()

	// Choose the product, then the event: its payload appears.
	choose(p, "product", "platform")
	p.Until(`document.getElementById("event")?.value === "account-health:changed"`)
	choose(p, "product", "freshworks_crm")
	p.Until(`document.getElementById("event")?.value === "onContactCreate"`)
	choose(p, "event", "onContactUpdate")
	p.Until(`document.getElementById("payload").value.includes('"onContactUpdate"') && location.search.includes("onContactUpdate")`)

	// Edit the payload and simulate, by keyboard.
	p.Do(chromedp.Evaluate[chromedp.Void](`(() => {
		const area = document.getElementById("payload");
		area.focus();
		const at = area.value.indexOf('"first_name"');
		const value = area.value.indexOf('"value": ', at) + '"value": '.length;
		area.setSelectionRange(value, area.value.indexOf("\n", value));
		document.execCommand("insertText", false, '"Zebedee"');
		area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
	})()`))
	p.Until(`document.getElementById("go-text").textContent === "Success"`)
	if text := browser.Value[string](p, `document.getElementById("outcome").innerText`); !strings.Contains(text, "Zebedee") || !strings.Contains(text, "warn") || !strings.Contains(text, " ms") {
		t.Errorf("the page shows %q, want the log with levels and the duration", text)
	}
	if !browser.Value[bool](p, `document.getElementById("announce").textContent.startsWith("Success")`) {
		t.Error("a reader of the screen is not told")
	}
	p.Until(`document.querySelector("#runs .mark")?.textContent === "Success"`)
	p.Picture("simulator-success-light")
	p.Size(1280, 860, true)
	p.Picture("simulator-success-dark")
	p.Size(1280, 860, false)

	// A payload that is no JSON fails, and says where.
	p.Do(chromedp.Evaluate[chromedp.Void](`(() => {
		const area = document.getElementById("payload");
		area.focus();
		area.setSelectionRange(1, 1);
		document.execCommand("insertText", false, "\n  oops,");
	})()`))
	p.Until(`document.getElementById("payload-fault").textContent.startsWith("Line 2")`)
	p.Do(chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Failed"`)
	p.Until(`document.querySelector("#outcome .fault-line")?.textContent === "line 2"`)
	p.Picture("simulator-not-json")
	p.Do(chromedp.Click(chromedp.CSS(`#reset`)))
	p.Until(`document.getElementById("payload-fault").hidden && document.getElementById("go-text").textContent === "Simulate"`)

	// One that is not what the event's schema says fails with the member.
	p.Do(chromedp.Evaluate[chromedp.Void](`(() => {
		const area = document.getElementById("payload");
		area.value = area.value.replace(/"event": "onContactUpdate"/, '"event": 17');
		area.dispatchEvent(new InputEvent("input", { bubbles: true }));
	})()`), chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Failed"`)
	p.Until(`document.querySelector("#outcome .faults code")?.textContent === "/event"`)
	p.Do(chromedp.Click(chromedp.CSS(`#outcome .fault-line`)))
	p.Until(`document.activeElement.id === "payload" && document.activeElement.value.slice(document.activeElement.selectionStart).startsWith('"event": 17')`)
	p.Picture("simulator-faulty-member")

	// A handler that throws fails with its line.
	choose(p, "event", "onDealCreate")
	p.Until(`document.getElementById("payload").value.includes('"onDealCreate"')`)
	p.Do(chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Failed"`)
	p.Until(`document.querySelector("#outcome .where")?.textContent.includes("server/server.js:23")`)
	if text := browser.Value[string](p, `document.querySelector("#outcome .guilty").textContent`); !strings.Contains(text, "return deal.no_such_member.value;") {
		t.Errorf("the line to blame is %q", text)
	}
	p.Picture("simulator-throws-light")
	p.Size(1280, 860, true)
	p.Picture("simulator-throws-dark")
	p.Size(1280, 860, false)

	// One that never ends is stopped, and the page stays alive meanwhile.
	choose(p, "event", "onDealUpdate")
	p.Until(`document.getElementById("payload").value.includes('"onDealUpdate"')`)
	p.Do(chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Running"`)
	if status, _ := l.get("/web/test?product=freshworks_crm&event=onContactCreate", "trial"); status != 200 {
		t.Errorf("another request meanwhile is answered %d", status)
	}
	p.Until(`document.getElementById("go-text").textContent === "Failed"`)
	p.Until(`document.getElementById("outcome").innerText.includes("stopped")`)
	p.Picture("simulator-timeout")

	// It still works.
	choose(p, "product", "platform")
	p.Until(`document.getElementById("payload").value.includes("account-health:changed")`)
	p.Do(chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Success" && document.querySelector("#outcome .rendered").textContent.includes("told")`)
	p.Quiet()
}
