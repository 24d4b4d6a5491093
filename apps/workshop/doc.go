// Package workshop installs apps and runs their handlers.
//
// It owns the installations: packages enter and are judged (package apps), compiled and run (package script), and fed by
// subscriptions that it makes at dispatch (package deliver). Events enter through Handle, which a sink calls; what others post to
// an app enters through ServeHTTP; times that apps have set come round in Run. What handlers ask of the house — values, requests,
// schedules, target URLs — is answered here, within the vendor's limits, and what they did is kept for people to read.
//
// Values of secure parameters leave in the headers of requests, and by no other way: they are taken out of what handlers tell the
// console and of their failures before anybody reads them.
package workshop
