// Package script runs the handlers of apps: JavaScript that strangers wrote, held to bounds of time, memory, depth and output.
//
// It owns the engines. Files of an app enter and become a Program (Compile); an installation's key, a handler's name and its
// argument enter; out comes what happened (Result): log lines, what was rendered, and where and why it failed. What a script
// may ask of the house it asks through a Host. Nothing else is within its reach: no files, no network, no timers, no code
// made of text.
//
// An engine has its memory to itself (region). When an app has been loaded the memory is saved, and put back byte by byte
// after each invocation: no invocation sees what another one did, be it to Array.prototype, and none pays for loading the app
// again. An engine serves one installation only.
package script
