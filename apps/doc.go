// Package apps says what an app is: a directory, or a zip of one, written for the Freshworks developer platform, whose
// handlers run when events happen.
//
// In go files written by strangers; out come an App, which is everything that the house knows about it, and the findings:
// every fault at once, each with its file, its place there and how to mend it. Read and ReadZip read, Validate judges, Pack
// makes the zip that is installed. Nothing runs here: what server/server.js exports is asked of a Script, which cmd hands in.
//
// The layout and the rules are those of the vendor's platform versions 2.0 to 2.3 and 3.0, as its developer documentation
// and its own tool (FDK) have them:
//
//	manifest.json                    what happens when: events, functions, requests, by product (2.x) or module (3.0)
//	server/server.js                 exports = { handler: function (args) { … } }
//	server/lib/…                     what it requires
//	server/test_data/…               payloads for trying handlers, by event or by module and event
//	config/iparams.json              the parameters that are set when the app is installed; or config/iparams.html
//	config/requests.json             the templates of outgoing requests
//	config/iparam_test_data.json     values of the parameters for trying handlers
//
// Besides the vendor's events an app may listen to the events of the platform dialect, below a product or module called
// platform. Front-end files (app/) are kept and packed, but the house has no pages to show them on.
package apps
