package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carillon"
	"carillon/history"
)

// routes is the list of all routes: what the mux serves and what /openapi.json says.
func (s *server) routes() []route {
	c := s.schemas
	routes := []route{
		{http.MethodGet, "/healthz", public, s.healthz, false, op("Service", "health", "Whether the program runs").
			answersWith(200, of[Health](c))},
		{http.MethodGet, "/readyz", public, s.readyz, false, op("Service", "ready", "Whether requests can be served").
			answersWith(200, of[Health](c))},
		{http.MethodGet, "/openapi.json", public, s.getOpenAPI, false, op("Service", "openapi", "This document").
			answersWith(200, anyObject)},
		{http.MethodGet, "/asyncapi.json", public, s.getAsyncAPI, false, op("Service", "asyncapi", "The AsyncAPI document: all events of all dialects").
			answersWith(200, anyObject)},
		{http.MethodGet, "/docs", public, s.docs(), false, op("Service", "docs", "This document as a page").
			answersAs(200, "text/html", textSchema)},
		{http.MethodGet, "/docs/{asset}", public, s.docs(), false, op("Service", "docsAsset", "A part of that page").
			answersAs(200, "*/*", textSchema)},
		{http.MethodGet, "/schemas/{dialect}/{eventType}.json", public, s.getSchema, false, op("Events", "eventSchema", "The JSON Schema of an event type's message").
			answersAs(200, "application/schema+json", anyObject)},

		{http.MethodGet, "/v1/event-types", read, s.listEventTypes, false, op("Events", "listEventTypes", "The event types of a dialect").
			asks(dialectParam).answersWith(200, of[list[EventType]](c))},
		{http.MethodGet, "/v1/events", read, s.listEvents, false, op("Events", "listEvents", "Events in the order of the log").
			asks(text("after", "a seq, or what a page gave as next; the events after it are told"), typesParam, accountParam, dialectParam, settingsParam, limitParam).
			answersWith(200, ref("EventList"))},
		{http.MethodGet, "/v1/events/stream", read, s.streamEvents, true, op("Events", "streamEvents", "Events as they happen (server-sent events)").
			asks(text("after", "where to begin; from now on if neither it nor Last-Event-ID is given"), typesParam, accountParam, dialectParam, settingsParam).
			hears(text("Last-Event-ID", "the id of the last event seen; the stream goes on after it without a gap")).
			answersAs(200, "text/event-stream", textSchema)},
		{http.MethodGet, "/v1/events/{eventId}", read, s.getEvent, false, op("Events", "getEvent", "One event, in any dialect").
			asks(dialectParam, settingsParam).answersWith(200, ref("EventMessage"))},

		{http.MethodPost, "/v1/batch", write, s.batch, true, op("Records", "batch", "Many writes, one a line, in order; a bad line fails alone").
			hears(actorHeader).takes(ref("BatchLine"), typeNDJSON, typeJSONL).answersAs(200, typeNDJSON, of[BatchResult](c))},

		{http.MethodGet, "/v1/accounts/{id}/timeline", read, s.timeline, false, op("Records", "timeline", "What happened to an account, newest first").
			asks(number("after", "what a page gave as next: the changes before that seq follow"), limitParam).
			answersWith(200, of[list[history.Entry]](c))},
		{http.MethodGet, "/v1/accounts/{id}/hierarchy", read, s.hierarchy, false, op("Records", "hierarchy", "The accounts above and below one").
			answersWith(200, of[history.Hierarchy](c))},

		{http.MethodGet, "/v1/fields/{kind}", read, s.listFields, false, op("Fields", "listFields", "The custom and standard fields and the value lists of a kind").
			answersWith(200, of[KindFields](c))},
		{http.MethodPost, "/v1/fields/{kind}", admin, s.createField, false, op("Fields", "createField", "Define a custom field").
			takes(of[CustomField](c)).answersWith(201, of[CustomField](c), "Location")},
		{http.MethodGet, "/v1/fields/{kind}/{uid}", read, s.getField, false, op("Fields", "getField", "A custom field or value list").
			answersWith(200, fieldOrList(c))},
		{http.MethodPut, "/v1/fields/{kind}/{uid}", admin, s.putField, false, op("Fields", "putField", "Define or redefine a custom field, or replace a value list").
			takes(fieldOrList(c)).answersWith(200, fieldOrList(c)).answersWith(201, of[CustomField](c), "Location")},
		{http.MethodDelete, "/v1/fields/{kind}/{uid}", admin, s.deleteField, false, op("Fields", "deleteField", "Remove a custom field, or bring the built-in value list back").
			answersEmpty(204)},

		{http.MethodGet, "/v1/subscriptions", admin, s.listSubscriptions, false, op("Subscriptions", "listSubscriptions", "Subscriptions by id").
			asks(afterParam, limitParam).answersWith(200, of[list[Subscription]](c))},
		{http.MethodPost, "/v1/subscriptions", admin, s.createSubscription, false, op("Subscriptions", "createSubscription", "Make a subscription").
			takes(of[Subscription](c)).answersWith(201, of[Subscription](c), "Location")},
		{http.MethodGet, "/v1/subscriptions/{id}", admin, s.getSubscription, false, op("Subscriptions", "getSubscription", "A subscription and how it fares").
			answersWith(200, of[Subscription](c))},
		{http.MethodPatch, "/v1/subscriptions/{id}", admin, s.patchSubscription, false, op("Subscriptions", "patchSubscription", "Change a subscription by a JSON merge patch").
			takes(anyObject, typeMergePatch, typeJSON).answersWith(200, of[Subscription](c))},
		{http.MethodDelete, "/v1/subscriptions/{id}", admin, s.deleteSubscription, false, op("Subscriptions", "deleteSubscription", "Remove a subscription with its dead letters and attempts").
			answersEmpty(204)},
		{http.MethodPost, "/v1/subscriptions/{id}/pause", admin, s.pauseSubscription, false, op("Subscriptions", "pauseSubscription", "Stop deliveries; the cursor waits").
			answersWith(200, of[Subscription](c))},
		{http.MethodPost, "/v1/subscriptions/{id}/resume", admin, s.resumeSubscription, false, op("Subscriptions", "resumeSubscription", "Go on after a pause; also revives a disabled subscription").
			answersWith(200, of[Subscription](c))},
		{http.MethodPost, "/v1/subscriptions/{id}/test", admin, s.testSubscription, false, op("Subscriptions", "testSubscription", "Send a test event now and say how that went").
			answersWith(200, of[Attempt](c))},
		{http.MethodPost, "/v1/subscriptions/{id}/rotate-secret", admin, s.rotateSecret, false, op("Subscriptions", "rotateSecret", "Make a new secret; the old one signs beside it for 24 hours").
			answersWith(200, of[Subscription](c))},
		{http.MethodPost, "/v1/subscriptions/{id}/replay", admin, s.replay, false, op("Subscriptions", "replay", "Tell a stretch of the log again").
			takes(of[Range](c)).answersWith(202, of[Replay](c))},
		{http.MethodGet, "/v1/subscriptions/{id}/attempts", admin, s.listAttempts, false, op("Subscriptions", "listAttempts", "The newest attempts, newest first").
			asks(limitParam).answersWith(200, of[list[Attempt]](c))},
		{http.MethodGet, "/v1/subscriptions/{id}/dead-letters", admin, s.listDeadLetters, false, op("Subscriptions", "listDeadLetters", "Dead letters, newest first").
			asks(afterParam, limitParam).answersWith(200, of[list[DeadLetter]](c))},
		{http.MethodPost, "/v1/subscriptions/{id}/dead-letters/replay", admin, s.replayDeadLetters, false, op("Subscriptions", "replayDeadLetters", "Try dead letters again").
			takes(of[DeadLetterIDs](c)).answersWith(202, of[Replayed](c))},

		{http.MethodGet, "/v1/connections", admin, s.listConnections, false, op("Connections", "listConnections", "Connections by id").
			asks(afterParam, limitParam).answersWith(200, of[list[Connection]](c))},
		{http.MethodPost, "/v1/connections", admin, s.createConnection, false, op("Connections", "createConnection", "Make a connection; only this answer has a secret that the server made").
			takes(of[Connection](c)).answersWith(201, of[Connection](c), "Location")},
		{http.MethodGet, "/v1/connections/{id}", admin, s.getConnection, false, op("Connections", "getConnection", "A connection").
			answersWith(200, of[Connection](c))},
		{http.MethodPatch, "/v1/connections/{id}", admin, s.patchConnection, false, op("Connections", "patchConnection", "Change a connection by a JSON merge patch").
			takes(anyObject, typeMergePatch, typeJSON).answersWith(200, of[Connection](c))},
		{http.MethodDelete, "/v1/connections/{id}", admin, s.deleteConnection, false, op("Connections", "deleteConnection", "Remove a connection with its inbox; records that came through it stay").
			answersEmpty(204)},
		{http.MethodGet, "/v1/inbox", admin, s.listInbox, false, op("Connections", "listInbox", "What vendors sent and what became of it, newest first").
			asks(text("connection", "only deliveries to this connection"), inboxStateParam, afterParam, limitParam).answersWith(200, of[list[InboxItem]](c))},
		{http.MethodGet, "/v1/inbox/{id}", admin, s.getInboxItem, false, op("Connections", "getInboxItem", "A delivery with its headers and body").
			answersWith(200, of[InboxItem](c))},
		{http.MethodPost, "/v1/inbox/{id}/retry", admin, s.retryInboxItem, false, op("Connections", "retryInboxItem", "Run a quarantined delivery again").
			answersWith(202, of[InboxItem](c))},

		{http.MethodGet, "/v1/apps", admin, s.listApps, false, op("Apps", "listApps", "The apps that are installed, by id").
			asks(afterParam, limitParam).answersWith(200, of[list[App]](c))},
		{http.MethodPost, "/v1/apps", admin, s.installApp, false, op("Apps", "installApp", "Install an app; its onAppInstall may refuse (409)").
			asks(text("name", "what to call it")).takes(zipSchema, typeZip).alsoTakes(of[AppForm](c), typeMultipart).answersWith(201, of[App](c), "Location")},
		{http.MethodGet, "/v1/apps/{id}", admin, s.getApp, false, op("Apps", "getApp", "An installed app").
			answersWith(200, of[App](c))},
		{http.MethodPut, "/v1/apps/{id}", admin, s.putApp, false, op("Apps", "putApp", "Upgrade an app, whose afterAppUpdate may refuse (409); or set its parameters").
			asks(text("name", "what to call it")).takes(zipSchema, typeZip).alsoTakes(of[AppForm](c), typeMultipart).answersWith(200, of[App](c))},
		{http.MethodDelete, "/v1/apps/{id}", admin, s.deleteApp, false, op("Apps", "deleteApp", "Uninstall an app with all that it keeps; its onAppUninstall may refuse (409)").
			asks(flag("force", "do not ask the app")).answersEmpty(204)},
		{http.MethodGet, "/v1/apps/{id}/logs", admin, s.listAppLogs, true, op("Apps", "listAppLogs", "What its handlers did, newest first; or as it happens (server-sent events)").
			asks(text("after", "what a page gave as next; with follow, the position after which to begin instead of now"), limitParam,
				flag("failed", "only those that failed"), flag("follow", "answer with a stream")).
			hears(text("Last-Event-ID", "with follow: the id of the last event seen; the stream goes on after it")).
			answersWith(200, of[list[Invocation]](c)).answersAs(200, "text/event-stream", textSchema)},
		{http.MethodPost, "/v1/apps/{id}/simulate", admin, s.simulateApp, false, op("Apps", "simulateApp", "Run a handler now, on a payload made up").
			takes(of[Simulation](c)).answersWith(200, of[Invocation](c))},

		{http.MethodGet, "/v1/keys", admin, s.listKeys, false, op("Keys", "listKeys", "The org's API keys").
			asks(afterParam, limitParam).answersWith(200, of[list[Key]](c))},
		{http.MethodPost, "/v1/keys", admin, s.createKey, false, op("Keys", "createKey", "Make an API key; only this answer has its secret").
			takes(of[NewKey](c)).answersWith(201, of[Key](c), "Location")},
		{http.MethodDelete, "/v1/keys", admin, s.deleteKey, false, op("Keys", "deleteKeyByQuery", "End an API key").
			asks(text("id", "the key's id")).answersEmpty(204)},
		{http.MethodGet, "/v1/keys/{id}", admin, s.getKey, false, op("Keys", "getKey", "An API key without its secret").
			answersWith(200, of[Key](c))},
		{http.MethodDelete, "/v1/keys/{id}", admin, s.deleteKey, false, op("Keys", "deleteKey", "End an API key").
			answersEmpty(204)},
	}
	for _, kind := range carillon.Kinds {
		switch kind {
		case carillon.KindComment:
			for _, on := range carillon.Kinds {
				if on.Commentable() {
					routes = append(routes, s.recordRoutes(records{s, kind, on}, "/v1/"+on.Plural()+"/{id}/comments", "/{commentId}")...)
				}
			}
		case carillon.KindCustom:
			routes = append(routes, s.recordRoutes(records{s, kind, ""}, "/v1/custom/{module}", "/{id}")...)
		default:
			routes = append(routes, s.recordRoutes(records{s, kind, ""}, "/v1/"+kind.Plural(), "/{id}")...)
		}
	}
	return routes
}

// recordRoutes are the seven routes of a kind: at is where its records are listed, one what follows for one of them.
func (s *server) recordRoutes(rec records, at, one string) []route {
	noun := recordName(rec.kind)
	if rec.kind == carillon.KindComment {
		noun = strings.ToUpper(string(rec.on)[:1]) + string(rec.on)[1:] + "Comment"
	}
	about := func(verb, summary string) operation {
		return op("Records", verb+noun, summary)
	}
	answer, in, patch := ref(recordName(rec.kind)), ref(writeName(rec.kind)), ref(patchName(rec.kind))
	filterParams := []param{afterParam, limitParam, {"updatedSince", "updated at or after", &huma.Schema{Type: huma.TypeString, Format: "date-time"}}}
	for _, name := range filters(rec.kind) {
		filterParams = append(filterParams, text(name, "only records whose "+name+" is this"))
	}
	deletion := about("delete", "Delete a record").hears(matchHeader, keyHeader, actorHeader).
		asks(flag("cascade", "also delete the records that depend on it, children first"))
	return []route{
		{http.MethodGet, at, read, rec.list, false, about("list", "Records by id").
			asks(filterParams...).answersWith(200, ref(recordName(rec.kind)+"List"))},
		{http.MethodPost, at, write, rec.create, false, about("create", "Create a record").
			hears(keyHeader, actorHeader).takes(in).
			answersWith(201, answer, "ETag", "Location", "Carillon-Seq", "Idempotency-Replayed")},
		{http.MethodGet, at + one, read, rec.get, false, about("get", "A record as it stands, or as it stood").
			asks(text("asOf", "an RFC 3339 time or a seq")).hears(noneMatchHeader).
			answersWith(200, answer, "ETag").answersEmpty(304, "ETag")},
		{http.MethodPut, at + one, write, rec.put, false, about("put", "Replace a record, or create it").
			hears(matchHeader, text("If-None-Match", "*: only create"), keyHeader, actorHeader).takes(in).
			answersWith(200, answer, "ETag", "Carillon-Seq", "Idempotency-Replayed").
			answersWith(201, answer, "ETag", "Location", "Carillon-Seq", "Idempotency-Replayed")},
		{http.MethodPatch, at + one, write, rec.patch, false, about("patch", "Change a record by a JSON merge patch").
			hears(matchHeader, keyHeader, actorHeader).takes(patch, typeMergePatch, typeJSON).
			answersWith(200, answer, "ETag", "Carillon-Seq", "Idempotency-Replayed")},
		{http.MethodDelete, at + one, write, rec.delete, false, deletion.
			answersEmpty(204, "Carillon-Seq", "Idempotency-Replayed")},
	}
}

// Parameters that many routes share.
var (
	limitParam      = param{"limit", "items of a page: 1 to 500, 50 by default", bounded(1, maxLimit)}
	afterParam      = text("after", "what a page gave as next")
	dialectParam    = text("dialect", "platform by default")
	settingsParam   = text("settings", "what the dialect needs to know, as in a subscription: a JSON object")
	typesParam      = text("types", "event types or patterns with *, divided by commas; all by default")
	inboxStateParam = param{"state", "only deliveries in this state", &huma.Schema{Type: huma.TypeString, Enum: []any{"received", "applied", "duplicate", "quarantined"}}}
	accountParam    = text("account", "only what belongs to this account")

	matchHeader     = text("If-Match", `the version that must be current, as the ETag gives it ("3"), or *`)
	noneMatchHeader = text("If-None-Match", "an ETag: 304 if it is still current")
	keyHeader       = text("Idempotency-Key", "1 to 255 characters; a repeat of the request with it gives the first answer again")
	actorHeader     = text("Carillon-Actor", `who makes the change, instead of the key's actor: an id or {"id","type","email"}`)
)

// tagDescriptions say what the groups of routes are about.
var tagDescriptions = map[string]string{
	"Service":       "The program itself",
	"Events":        "What changes mean, in the words of a dialect",
	"Records":       "Accounts and all that belongs to them",
	"Fields":        "What members records have",
	"Subscriptions": "Who is told what, where, and how that goes",
	"Connections":   "Who sends webhooks here, and what became of them",
	"Apps":          "JavaScript that is called when events happen",
	"Keys":          "Who may do what",
}

var (
	anyObject  = &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	textSchema = &huma.Schema{Type: huma.TypeString}
	zipSchema  = &huma.Schema{Type: huma.TypeString, Format: "binary"}
)

func bounded(low, high float64) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}
}

// fieldOrList is what /v1/fields/{kind}/{uid} speaks of.
func fieldOrList(c *schemas) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{of[CustomField](c), of[ValueList](c)}}
}
