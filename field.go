package carillon

// FieldType says what a member's JSON value is and how it is checked.
type FieldType string

// The field types. JSON shape in brackets.
const (
	TypeString       FieldType = "string"       // [string] one line
	TypeText         FieldType = "text"         // [string] any lines
	TypeEmail        FieldType = "email"        // [string] kept as sent: vendors send addresses that are none
	TypeURL          FieldType = "url"          // [string] kept as sent
	TypePhone        FieldType = "phone"        // [string]
	TypeBool         FieldType = "boolean"      // [true or false]
	TypeInteger      FieldType = "integer"      // [number] −2^63 … 2^63−1, never through a float
	TypeNumber       FieldType = "number"       // [number] kept digit for digit
	TypeTime         FieldType = "time"         // [string] RFC 3339 in, TimeLayout out
	TypeDate         FieldType = "date"         // [string] YYYY-MM-DD
	TypeRef          FieldType = "ref"          // [string] id of a record of kind Field.Ref
	TypeRefs         FieldType = "refs"         // [array of strings] ids of records of kind Field.Ref, in the order given
	TypeStrings      FieldType = "strings"      // [array of strings]
	TypeObject       FieldType = "object"       // [object] with exactly Field.Members
	TypeMap          FieldType = "map"          // [object] free; kept with names sorted
	TypeJSON         FieldType = "json"         // [anything] kept with names sorted
	TypeCustomFields FieldType = "customFields" // [object] custom field uid → array of strings
)

// OnDelete says what becomes of a record when the record it refers to is deleted.
type OnDelete string

// The fates of a referring record.
const (
	OnDeleteRefuse  OnDelete = "refuse"  // deletion is refused; asked to cascade, the referring record is deleted first
	OnDeleteCascade OnDelete = "cascade" // the referring record is always deleted first
	OnDeleteClear   OnDelete = "clear"   // the member loses the id: an update of the referring record
	OnDeleteIgnore  OnDelete = "ignore"  // the id stays and is never checked (people are often kept elsewhere)
)

// Field describes one member of a kind. The table of a kind drives validation, JSON Schema, OpenAPI,
// the console's forms, import mapping and the vendors' labels.
type Field struct {
	Name  string
	Label string
	Type  FieldType

	// Required members are always present in the native JSON. A create or PUT that does not name one gets
	// Default; one without a Default must be named.
	Required bool
	// Default fills a Required member: a plain string, or DefaultActor for the id of the acting user.
	Default string
	// NonEmpty refuses "" (Required alone asks only for presence).
	NonEmpty bool
	// ReadOnly members are set by the house. Writes may carry them (a client sends back what it was given); they are ignored.
	ReadOnly bool
	// MaxLength bounds strings in characters; 0 means the default of the type (255; text 65,536).
	MaxLength int
	// ValueList names the org's editable list of suggested values ("account_status"). Lists are open: other values are accepted.
	ValueList string
	// Ref is the kind a TypeRef or TypeRefs points to, and OnDelete what its deletion does here.
	Ref      Kind
	OnDelete OnDelete
	// Members of a TypeObject, in order.
	Members []Field
}

// DefaultActor as a Default stands for the id of the actor of the write.
const DefaultActor = "\x00actor"

// Default bounds of field values, in characters.
const (
	DefaultStringLength = 255
	DefaultTextLength   = 65536
)

// Limit is the greatest length of the field's string value, in characters.
func (f Field) Limit() int {
	switch {
	case f.MaxLength > 0:
		return f.MaxLength
	case f.Type == TypeText:
		return DefaultTextLength
	default:
		return DefaultStringLength
	}
}

var personMembers = []Field{
	{Name: "title", Label: "Title", Type: TypeString},
	{Name: "firstName", Label: "First name", Type: TypeString},
	{Name: "middleName", Label: "Middle name", Type: TypeString},
	{Name: "lastName", Label: "Last name", Type: TypeString},
	{Name: "suffix", Label: "Suffix", Type: TypeString},
	{Name: "email", Label: "E-mail", Type: TypeEmail},
	{Name: "phone", Label: "Phone", Type: TypePhone},
	{Name: "jobTitle", Label: "Job title", Type: TypeString},
}

var addressMembers = []Field{
	{Name: "line1", Label: "Address line 1", Type: TypeString},
	{Name: "line2", Label: "Address line 2", Type: TypeString},
	{Name: "line3", Label: "Address line 3", Type: TypeString},
	{Name: "line4", Label: "Address line 4", Type: TypeString},
	{Name: "city", Label: "City", Type: TypeString},
	{Name: "state", Label: "State", Type: TypeString},
	{Name: "postalCode", Label: "Postal code", Type: TypeString},
	{Name: "county", Label: "County", Type: TypeString},
	{Name: "country", Label: "Country", Type: TypeString},
}

func idField() Field {
	return Field{Name: "id", Label: "Id", Type: TypeString, Required: true, ReadOnly: true, MaxLength: MaxIDLength}
}

func tail(custom bool, fields ...Field) []Field {
	fields = append(fields, Field{Name: "metadata", Label: "Metadata", Type: TypeMap})
	if custom {
		fields = append(fields, Field{Name: "customFields", Label: "Custom fields", Type: TypeCustomFields})
	}
	return append(fields,
		Field{Name: "createdAt", Label: "Created at", Type: TypeTime, Required: true, ReadOnly: true},
		Field{Name: "updatedAt", Label: "Updated at", Type: TypeTime, Required: true, ReadOnly: true})
}

func accountRef(required bool) Field {
	return Field{Name: "accountId", Label: "Account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteRefuse, Required: required, NonEmpty: required}
}

func userRef(name, label string) Field {
	return Field{Name: name, Label: label, Type: TypeRef, Ref: KindUser, OnDelete: OnDeleteIgnore}
}

// The members that seed 001 lists come first and in its order; what other vendors know follows.
var fieldTables = map[Kind][]Field{
	KindAccount: tail(true,
		idField(),
		Field{Name: "name", Label: "Name", Type: TypeString, Required: true, NonEmpty: true},
		Field{Name: "domain", Label: "Domain", Type: TypeString},
		Field{Name: "industry", Label: "Industry", Type: TypeString, ValueList: "account_industry"},
		Field{Name: "size", Label: "Size", Type: TypeString},
		Field{Name: "status", Label: "Status", Type: TypeString, Required: true, Default: "ACTIVE", ValueList: "account_status"},
		Field{Name: "health", Label: "Health", Type: TypeString, Required: true, Default: "UNKNOWN", ValueList: "account_health"},
		Field{Name: "classification", Label: "Classification", Type: TypeString, Required: true, Default: "UNCLASSIFIED", ValueList: "account_classification"},
		Field{Name: "type", Label: "Type", Type: TypeString, ValueList: "account_type"},
		Field{Name: "primaryContact", Label: "Primary contact", Type: TypeObject, Members: personMembers},
		Field{Name: "billingAddress", Label: "Billing address", Type: TypeObject, Members: addressMembers},
		Field{Name: "deliveryAddress", Label: "Delivery address", Type: TypeObject, Members: addressMembers},
		Field{Name: "website", Label: "Website", Type: TypeURL, MaxLength: 2048},
		Field{Name: "phone", Label: "Phone", Type: TypePhone},
		Field{Name: "annualRevenue", Label: "Annual revenue", Type: TypeNumber},
		Field{Name: "employees", Label: "Number of employees", Type: TypeInteger},
		Field{Name: "parentAccountId", Label: "Parent account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteClear},
		userRef("ownerId", "Owner"),
		Field{Name: "tags", Label: "Tags", Type: TypeStrings},
		Field{Name: "legacyId", Label: "Legacy id", Type: TypeString},
		Field{Name: "customReference", Label: "Custom reference", Type: TypeString},
	),
	KindContact: tail(true,
		idField(),
		Field{Name: "firstName", Label: "First name", Type: TypeString, Required: true},
		Field{Name: "lastName", Label: "Last name", Type: TypeString, Required: true},
		Field{Name: "email", Label: "E-mail", Type: TypeEmail, Required: true},
		Field{Name: "phone", Label: "Phone", Type: TypePhone},
		Field{Name: "jobTitle", Label: "Job title", Type: TypeString},
		Field{Name: "type", Label: "Type", Type: TypeString, Required: true, Default: "CUSTOMER", ValueList: "contact_type"},
		Field{Name: "status", Label: "Status", Type: TypeString, Required: true, Default: "ACTIVE", ValueList: "contact_status"},
		// Required but may be "": a vendor's contact can stand without an account.
		Field{Name: "accountId", Label: "Account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteRefuse, Required: true},
		Field{Name: "mobile", Label: "Mobile", Type: TypePhone},
		Field{Name: "address", Label: "Address", Type: TypeObject, Members: addressMembers},
		userRef("ownerId", "Owner"),
		Field{Name: "tags", Label: "Tags", Type: TypeStrings},
	),
	KindRelationship: tail(false,
		idField(),
		Field{Name: "parentAccountId", Label: "Parent account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteRefuse, Required: true, NonEmpty: true},
		Field{Name: "childAccountId", Label: "Child account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteRefuse, Required: true, NonEmpty: true},
		Field{Name: "relationshipType", Label: "Relationship type", Type: TypeString, Required: true, NonEmpty: true, ValueList: "relationship_type"},
	),
	KindActivity: tail(false,
		idField(),
		accountRef(true),
		Field{Name: "title", Label: "Title", Type: TypeString, Required: true, NonEmpty: true},
		Field{Name: "description", Label: "Description", Type: TypeText},
		Field{Name: "activityType", Label: "Activity type", Type: TypeString, Required: true, NonEmpty: true, ValueList: "activity_type"},
		Field{Name: "status", Label: "Status", Type: TypeString, Required: true, Default: "Planned", ValueList: "activity_status"},
		Field{Name: "scheduledAt", Label: "Scheduled at", Type: TypeTime},
		Field{Name: "completedAt", Label: "Completed at", Type: TypeTime},
		userRef("assignedUserId", "Assigned to"),
	),
	KindNote: tail(false,
		idField(),
		accountRef(true),
		Field{Name: "title", Label: "Title", Type: TypeString, Required: true, NonEmpty: true},
		Field{Name: "content", Label: "Content", Type: TypeText, Required: true},
		Field{Name: "visibility", Label: "Visibility", Type: TypeString, Required: true, Default: "internal", ValueList: "note_visibility"},
		Field{Name: "authorId", Label: "Author", Type: TypeRef, Ref: KindUser, OnDelete: OnDeleteIgnore, Required: true, Default: DefaultActor},
		Field{Name: "type", Label: "Type", Type: TypeString, ValueList: "note_type"},
	),
	KindTask: tail(false,
		idField(),
		// Required but may be "": a vendor's task can stand without an account.
		Field{Name: "accountId", Label: "Account", Type: TypeRef, Ref: KindAccount, OnDelete: OnDeleteRefuse, Required: true},
		Field{Name: "title", Label: "Title", Type: TypeString, Required: true, NonEmpty: true},
		Field{Name: "description", Label: "Description", Type: TypeText},
		Field{Name: "status", Label: "Status", Type: TypeString, Required: true, Default: "Open", ValueList: "task_status"},
		Field{Name: "priority", Label: "Priority", Type: TypeString, Required: true, Default: "Medium", ValueList: "task_priority"},
		Field{Name: "dueDate", Label: "Due", Type: TypeTime},
		userRef("assignedUserId", "Assigned to"),
		Field{Name: "type", Label: "Type", Type: TypeString, ValueList: "task_type"},
		Field{Name: "completedAt", Label: "Completed at", Type: TypeTime},
	),
	KindComment: tail(false,
		idField(),
		Field{Name: "content", Label: "Content", Type: TypeText, Required: true},
		Field{Name: "contentHtml", Label: "Content as HTML", Type: TypeText},
		Field{Name: "contentMarkdown", Label: "Content as Markdown", Type: TypeText},
		Field{Name: "contentJson", Label: "Content as JSON", Type: TypeJSON},
		Field{Name: "commentType", Label: "Type", Type: TypeString, Required: true, Default: "comment", ValueList: "comment_type"},
		Field{Name: "commentVisibility", Label: "Visibility", Type: TypeString, Required: true, Default: "public", ValueList: "comment_visibility"},
		Field{Name: "parentCommentId", Label: "In reply to", Type: TypeRef, Ref: KindComment, OnDelete: OnDeleteClear},
		Field{Name: "authorId", Label: "Author", Type: TypeRef, Ref: KindUser, OnDelete: OnDeleteIgnore, Required: true, Default: DefaultActor},
		// The record commented on: its kind (activity, note, task), its id, its account. Given by the URL.
		Field{Name: "entityType", Label: "On kind", Type: TypeString, Required: true, ReadOnly: true},
		Field{Name: "entityId", Label: "On record", Type: TypeString, Required: true, ReadOnly: true, MaxLength: MaxIDLength},
		Field{Name: "accountId", Label: "Account", Type: TypeString, Required: true, ReadOnly: true, MaxLength: MaxIDLength},
	),
	KindDeal: tail(true,
		idField(),
		Field{Name: "name", Label: "Name", Type: TypeString, Required: true, NonEmpty: true},
		accountRef(false),
		Field{Name: "stage", Label: "Stage", Type: TypeString, Required: true, Default: "New", ValueList: "deal_stage"},
		Field{Name: "amount", Label: "Amount", Type: TypeNumber},
		Field{Name: "currency", Label: "Currency", Type: TypeString, MaxLength: 3},
		Field{Name: "pipeline", Label: "Pipeline", Type: TypeString, ValueList: "deal_pipeline"},
		Field{Name: "probability", Label: "Probability (%)", Type: TypeNumber},
		Field{Name: "type", Label: "Type", Type: TypeString, ValueList: "deal_type"},
		Field{Name: "source", Label: "Source", Type: TypeString, ValueList: "lead_source"},
		Field{Name: "campaign", Label: "Campaign", Type: TypeString, ValueList: "campaign"},
		Field{Name: "product", Label: "Product", Type: TypeString},
		Field{Name: "paymentStatus", Label: "Payment status", Type: TypeString, ValueList: "deal_payment_status"},
		Field{Name: "lostReason", Label: "Lost reason", Type: TypeString, ValueList: "deal_lost_reason"},
		Field{Name: "territory", Label: "Territory", Type: TypeString, ValueList: "territory"},
		Field{Name: "expectedCloseDate", Label: "Expected close date", Type: TypeDate},
		Field{Name: "closedDate", Label: "Closed date", Type: TypeDate},
		Field{Name: "contactIds", Label: "Contacts", Type: TypeRefs, Ref: KindContact, OnDelete: OnDeleteClear},
		userRef("ownerId", "Owner"),
		Field{Name: "tags", Label: "Tags", Type: TypeStrings},
	),
	KindAppointment: tail(true,
		idField(),
		Field{Name: "title", Label: "Title", Type: TypeString, Required: true, NonEmpty: true},
		accountRef(false),
		Field{Name: "description", Label: "Description", Type: TypeText},
		Field{Name: "startAt", Label: "From", Type: TypeTime, Required: true, NonEmpty: true},
		Field{Name: "endAt", Label: "To", Type: TypeTime, Required: true, NonEmpty: true},
		Field{Name: "allDay", Label: "All day", Type: TypeBool},
		Field{Name: "timeZone", Label: "Time zone", Type: TypeString},
		Field{Name: "location", Label: "Location", Type: TypeString},
		Field{Name: "latitude", Label: "Latitude", Type: TypeNumber},
		Field{Name: "longitude", Label: "Longitude", Type: TypeNumber},
		Field{Name: "outcome", Label: "Outcome", Type: TypeString, ValueList: "appointment_outcome"},
		Field{Name: "checkedInAt", Label: "Checked in at", Type: TypeTime},
		Field{Name: "contactIds", Label: "Contacts", Type: TypeRefs, Ref: KindContact, OnDelete: OnDeleteClear},
		Field{Name: "attendeeIds", Label: "Attending users", Type: TypeRefs, Ref: KindUser, OnDelete: OnDeleteIgnore},
		userRef("ownerId", "Owner"),
	),
	KindCustom: tail(true,
		idField(),
		Field{Name: "module", Label: "Module", Type: TypeString, Required: true, ReadOnly: true, MaxLength: MaxIDLength},
		Field{Name: "name", Label: "Name", Type: TypeString, Required: true, NonEmpty: true},
		accountRef(false),
		Field{Name: "status", Label: "Status", Type: TypeString},
		userRef("ownerId", "Owner"),
		Field{Name: "tags", Label: "Tags", Type: TypeStrings},
	),
	KindUser: tail(false,
		idField(),
		Field{Name: "name", Label: "Name", Type: TypeString, Required: true, NonEmpty: true},
		Field{Name: "email", Label: "E-mail", Type: TypeEmail, Required: true},
		Field{Name: "userType", Label: "Type", Type: TypeString, Required: true, Default: "AGENT", ValueList: "user_type"},
		Field{Name: "status", Label: "Status", Type: TypeString, Required: true, Default: "ACTIVE", ValueList: "user_status"},
		Field{Name: "jobTitle", Label: "Job title", Type: TypeString},
		Field{Name: "phone", Label: "Phone", Type: TypePhone},
		Field{Name: "mobile", Label: "Mobile", Type: TypePhone},
		Field{Name: "timeZone", Label: "Time zone", Type: TypeString},
		Field{Name: "language", Label: "Language", Type: TypeString},
	),
}

// Fields is the field table of a kind, in the order of the native JSON. The caller must not change it.
func Fields(k Kind) []Field { return fieldTables[k] }

var fieldIndex = func() map[Kind]map[string]int {
	m := make(map[Kind]map[string]int, len(fieldTables))
	for k, fields := range fieldTables {
		m[k] = make(map[string]int, len(fields))
		for i, f := range fields {
			m[k][f.Name] = i
		}
	}
	return m
}()

// FieldNumber gives the place of a member in the kind's table, and false for a name the table lacks.
func FieldNumber(k Kind, name string) (int, bool) {
	i, ok := fieldIndex[k][name]
	return i, ok
}

// ValueLists are the built-in value lists, which an org may edit. The values that seed 001's examples use
// ("At Risk", "Healthy", "High") stand beside the platform's own.
var ValueLists = map[string][]string{
	"account_status":         {"PROSPECT", "TRIAL", "ACTIVE", "CHURNED", "ACQUIRED"},
	"account_health":         {"UNKNOWN", "Healthy", "At Risk", "GREEN", "YELLOW", "RED"},
	"account_classification": {"UNCLASSIFIED", "ENTERPRISE", "MID_MARKET", "SMB", "STRATEGIC"},
	"account_industry":       {},
	"account_type":           {"organization", "individual"},
	"contact_type":           {"CUSTOMER"},
	"contact_status":         {"ACTIVE", "INACTIVE"},
	"relationship_type":      {"PARENT", "SUBSIDIARY", "PARTNER", "RESELLER"},
	"activity_type":          {"CALL", "MEETING", "EMAIL"},
	"activity_status":        {"Planned", "Completed", "Cancelled"},
	"note_visibility":        {"internal", "public", "private"},
	"note_type":              {},
	"task_type":              {},
	"task_status":            {"Open", "In Progress", "Completed"},
	"task_priority":          {"Low", "Medium", "High", "Urgent"},
	"comment_type":           {"comment", "note", "reply"},
	"comment_visibility":     {"public", "private"},
	"deal_stage":             {"New", "Qualified", "Negotiation", "Won", "Lost"},
	"deal_pipeline":          {},
	"deal_type":              {},
	"deal_payment_status":    {},
	"deal_lost_reason":       {},
	"lead_source":            {},
	"campaign":               {},
	"territory":              {},
	"appointment_outcome":    {},
	"user_type":              {"AGENT", "ORG_ADMIN", "CUSTOMER"},
	"user_status":            {"ACTIVE", "INACTIVE"},
}

// CustomFieldType says how the values of a custom field are checked.
type CustomFieldType string

// The custom field types (the names are those of Freshsales' custom fields, facts page §4.2).
const (
	CustomText        CustomFieldType = "text"
	CustomParagraph   CustomFieldType = "paragraph"
	CustomNumber      CustomFieldType = "number"
	CustomDecimal     CustomFieldType = "decimal"
	CustomDropdown    CustomFieldType = "dropdown"
	CustomRadio       CustomFieldType = "radio"
	CustomCheckbox    CustomFieldType = "checkbox"
	CustomMultiSelect CustomFieldType = "multi_select_dropdown"
	CustomDate        CustomFieldType = "date"
	CustomDateTime    CustomFieldType = "date_time"
)

// CustomFieldTypes lists them all.
var CustomFieldTypes = []CustomFieldType{
	CustomText, CustomParagraph, CustomNumber, CustomDecimal, CustomDropdown, CustomRadio,
	CustomCheckbox, CustomMultiSelect, CustomDate, CustomDateTime,
}

// CustomField is an org's definition of one custom field of a kind (and, for KindCustom, of every module).
// Values of uids that nobody defined are accepted as text.
type CustomField struct {
	Org     string          `json:"-"`
	Kind    Kind            `json:"-"`
	UID     string          `json:"uid"`
	Label   string          `json:"label"`
	Type    CustomFieldType `json:"type"`
	Options []string        `json:"options,omitzero"` // the values allowed; empty: any
}

// ValueList is an org's edited list of suggested values for a field that names one.
type ValueList struct {
	Org    string   `json:"-"`
	Name   string   `json:"name"`
	Values []string `json:"values"`
}
