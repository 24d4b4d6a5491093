// Package simulator makes the pages on which people try an app: choose an event, edit its payload, simulate, and see what the
// handler did.
//
// It owns these pages and nothing behind them: what an installation is and how its handlers run it asks of a Desk (package
// workshop). A Simulator makes the content of pages for whichever face has a layout to put it into; the console is one. Local is
// the other: the pages of one app on a laptop, at the addresses that the vendor's own tool has (/web/test, /custom_configs,
// /system_settings), with a Folder that installs the app anew whenever its files change.
package simulator
