package sample

import "carillon"

// resource is a record that stories are about. Names in braces stand for ids that every telling chooses anew.
type resource struct {
	kind  carillon.Kind
	id    string // its placeholder
	path  string // in the API
	needs []*resource
	// body is what the record is created with. Its values are in canonical form, so that Change need not check them.
	body string
	// house are the members that the API sets by itself.
	house string
}

var account = resource{
	kind: carillon.KindAccount, id: "{account}", path: "/v1/accounts/{account}",
	body: `{"name":"Sample Account","domain":"sample.example.com","industry":"Software","size":"11-50","status":"TRIAL",` +
		`"health":"Healthy","classification":"SMB","type":"organization","website":"https://sample.example.com",` +
		`"billingAddress":{"line1":"1 Example Street","city":"Sampleton","postalCode":"00001","country":"Exampleland"},` +
		`"annualRevenue":1250000.00,"employees":42,"tags":["sample"],"metadata":{"source":"sample"},"customFields":{"region":["EMEA"]}}`,
}

var childAccount = resource{
	kind: carillon.KindAccount, id: "{childAccount}", path: "/v1/accounts/{childAccount}",
	body: `{"name":"Sample Subsidiary","domain":"subsidiary.example.com","status":"ACTIVE","health":"Healthy","classification":"SMB"}`,
}

var contact = resource{
	kind: carillon.KindContact, id: "{contact}", path: "/v1/contacts/{contact}", needs: []*resource{&account},
	body: `{"firstName":"Sample","lastName":"Contact","email":"sample.contact@example.com","phone":"+1-555-0100",` +
		`"jobTitle":"Buyer","type":"CUSTOMER","status":"ACTIVE","accountId":"{account}","customFields":{"language":["en"]}}`,
}

var relationship = resource{
	kind: carillon.KindRelationship, id: "{relationship}", path: "/v1/relationships/{relationship}",
	needs: []*resource{&account, &childAccount},
	body:  `{"parentAccountId":"{account}","childAccountId":"{childAccount}","relationshipType":"SUBSIDIARY"}`,
}

var activity = resource{
	kind: carillon.KindActivity, id: "{activity}", path: "/v1/activities/{activity}", needs: []*resource{&account},
	body: `{"accountId":"{account}","title":"Sample review","description":"Go through the last quarter.",` +
		`"activityType":"MEETING","status":"Planned","scheduledAt":"2030-01-15T10:00:00.000Z","assignedUserId":"usr_sample"}`,
}

var note = resource{
	kind: carillon.KindNote, id: "{note}", path: "/v1/notes/{note}", needs: []*resource{&account},
	body: `{"accountId":"{account}","title":"Sample note","content":"Prefers calls in the morning.","visibility":"internal","authorId":"usr_sample"}`,
}

var task = resource{
	kind: carillon.KindTask, id: "{task}", path: "/v1/tasks/{task}", needs: []*resource{&account},
	body: `{"accountId":"{account}","title":"Sample task","description":"Send the renewal offer.","status":"Open","priority":"High",` +
		`"dueDate":"2030-01-31T17:00:00.000Z","assignedUserId":"usr_sample"}`,
}

const commentBody = `{"content":"Sample comment","contentMarkdown":"*Sample* comment","commentType":"comment","commentVisibility":"public","authorId":"usr_sample"}`

var activityComment = resource{
	kind: carillon.KindComment, id: "{comment}", path: "/v1/activities/{activity}/comments/{comment}", needs: []*resource{&activity},
	body: commentBody, house: `{"entityType":"activity","entityId":"{activity}","accountId":"{account}"}`,
}

var noteComment = resource{
	kind: carillon.KindComment, id: "{comment}", path: "/v1/notes/{note}/comments/{comment}", needs: []*resource{&note},
	body: commentBody, house: `{"entityType":"note","entityId":"{note}","accountId":"{account}"}`,
}

var taskComment = resource{
	kind: carillon.KindComment, id: "{comment}", path: "/v1/tasks/{task}/comments/{comment}", needs: []*resource{&task},
	body: commentBody, house: `{"entityType":"task","entityId":"{task}","accountId":"{account}"}`,
}

var deal = resource{
	kind: carillon.KindDeal, id: "{deal}", path: "/v1/deals/{deal}", needs: []*resource{&account},
	body: `{"name":"Sample deal","accountId":"{account}","stage":"Qualified","amount":12000.00,"currency":"EUR","probability":40,` +
		`"expectedCloseDate":"2030-03-31","customFields":{"channel":["direct"]}}`,
}

var appointment = resource{
	kind: carillon.KindAppointment, id: "{appointment}", path: "/v1/appointments/{appointment}", needs: []*resource{&account},
	body: `{"title":"Sample appointment","accountId":"{account}","startAt":"2030-01-15T10:00:00.000Z","endAt":"2030-01-15T10:30:00.000Z",` +
		`"allDay":false,"timeZone":"Europe/Berlin","location":"Room 1","attendeeIds":["usr_sample"],"customFields":{"format":["on site"]}}`,
}

var user = resource{
	kind: carillon.KindUser, id: "{user}", path: "/v1/users/{user}",
	body: `{"name":"Sample User","email":"sample.user@example.com","userType":"AGENT","status":"ACTIVE","jobTitle":"Account manager"}`,
}

var customRecord = resource{
	kind: carillon.KindCustom, id: "{record}", path: "/v1/custom/{module}/{record}", needs: []*resource{&account},
	body:  `{"name":"Sample record","accountId":"{account}","status":"open","customFields":{"total":["120.00"]}}`,
	house: `{"module":"{module}"}`,
}

// telling is the last step of a story: it makes the event happen.
type telling struct {
	eventType string
	of        *resource
	op        carillon.Op
	patch     string // of an update
}

const (
	created = carillon.OpCreated
	updated = carillon.OpUpdated
	deleted = carillon.OpDeleted
)

// tellings has every event of the platform's language, in its order.
var tellings = []telling{
	{"account:created", &account, created, ""},
	{"account:updated", &account, updated, `{"size":"51-200"}`},
	{"account:deleted", &account, deleted, ""},
	{"account-health:changed", &account, updated, `{"health":"At Risk"}`},
	{"account-status:changed", &account, updated, `{"status":"ACTIVE"}`},
	{"account-classification:changed", &account, updated, `{"classification":"ENTERPRISE"}`},
	{"account-industry:changed", &account, updated, `{"industry":"Manufacturing"}`},
	{"account-custom_field_value:added", &account, updated, `{"customFields":{"tier":["gold"]}}`},
	{"account-custom_field_value:removed", &account, updated, `{"customFields":{"region":null}}`},
	{"account-custom_field_value:changed", &account, updated, `{"customFields":{"region":["APAC"]}}`},

	{"customer-contact:created", &contact, created, ""},
	{"customer-contact:updated", &contact, updated, `{"jobTitle":"Head of purchasing"}`},
	{"customer-contact:deleted", &contact, deleted, ""},
	{"customer-contact:type:changed", &contact, updated, `{"type":"DECISION_MAKER"}`},
	{"customer-contact:custom_field_value:added", &contact, updated, `{"customFields":{"newsletter":["yes"]}}`},
	{"customer-contact:custom_field_value:removed", &contact, updated, `{"customFields":{"language":null}}`},
	{"customer-contact:custom_field_value:changed", &contact, updated, `{"customFields":{"language":["de"]}}`},

	{"account-relationship:created", &relationship, created, ""},
	{"account-relationship:updated", &relationship, updated, `{"relationshipType":"PARTNER"}`},
	{"account-relationship:deleted", &relationship, deleted, ""},

	{"account-activity:created", &activity, created, ""},
	{"account-activity:updated", &activity, updated, `{"status":"Completed","completedAt":"2030-01-15T11:00:00.000Z"}`},
	{"account-activity:deleted", &activity, deleted, ""},
	{"account-activity:comment:created", &activityComment, created, ""},
	{"account-activity:comment:updated", &activityComment, updated, `{"content":"Sample comment, corrected","contentMarkdown":null}`},
	{"account-activity:comment:deleted", &activityComment, deleted, ""},

	{"account-note:created", &note, created, ""},
	{"account-note:updated", &note, updated, `{"content":"Prefers calls in the afternoon."}`},
	{"account-note:deleted", &note, deleted, ""},
	{"account-note:comment:created", &noteComment, created, ""},
	{"account-note:comment:updated", &noteComment, updated, `{"content":"Sample comment, corrected","contentMarkdown":null}`},
	{"account-note:comment:deleted", &noteComment, deleted, ""},

	{"account-task:created", &task, created, ""},
	{"account-task:updated", &task, updated, `{"status":"In Progress"}`},
	{"account-task:deleted", &task, deleted, ""},
	{"account-task:comment:created", &taskComment, created, ""},
	{"account-task:comment:updated", &taskComment, updated, `{"content":"Sample comment, corrected","contentMarkdown":null}`},
	{"account-task:comment:deleted", &taskComment, deleted, ""},

	{"deal:created", &deal, created, ""},
	{"deal:updated", &deal, updated, `{"amount":15000.00}`},
	{"deal:deleted", &deal, deleted, ""},
	{"deal:stage:changed", &deal, updated, `{"stage":"Won"}`},
	{"deal:custom_field_value:added", &deal, updated, `{"customFields":{"competitor":["none"]}}`},
	{"deal:custom_field_value:removed", &deal, updated, `{"customFields":{"channel":null}}`},
	{"deal:custom_field_value:changed", &deal, updated, `{"customFields":{"channel":["partner"]}}`},

	{"appointment:created", &appointment, created, ""},
	{"appointment:updated", &appointment, updated, `{"location":"Room 2"}`},
	{"appointment:deleted", &appointment, deleted, ""},
	{"appointment:custom_field_value:added", &appointment, updated, `{"customFields":{"catering":["coffee"]}}`},
	{"appointment:custom_field_value:removed", &appointment, updated, `{"customFields":{"format":null}}`},
	{"appointment:custom_field_value:changed", &appointment, updated, `{"customFields":{"format":["video"]}}`},

	{"user:created", &user, created, ""},
	{"user:updated", &user, updated, `{"jobTitle":"Key account manager"}`},
	{"user:deleted", &user, deleted, ""},

	{"custom:{module}:created", &customRecord, created, ""},
	{"custom:{module}:updated", &customRecord, updated, `{"status":"paid"}`},
	{"custom:{module}:deleted", &customRecord, deleted, ""},
	{"custom:{module}:custom_field_value:added", &customRecord, updated, `{"customFields":{"dunning":["1"]}}`},
	{"custom:{module}:custom_field_value:removed", &customRecord, updated, `{"customFields":{"total":null}}`},
	{"custom:{module}:custom_field_value:changed", &customRecord, updated, `{"customFields":{"total":["99.00"]}}`},
}

// idPrefixes turn placeholders into ids.
var idPrefixes = map[string]string{
	"{account}":      "acc_",
	"{childAccount}": "acc_child_",
	"{contact}":      "con_",
	"{relationship}": "rel_",
	"{activity}":     "act_",
	"{note}":         "note_",
	"{task}":         "task_",
	"{comment}":      "com_",
	"{deal}":         "deal_",
	"{appointment}":  "apt_",
	"{user}":         "usr_",
	"{record}":       "cus_",
}
