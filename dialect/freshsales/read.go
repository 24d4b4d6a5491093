package freshsales

import (
	"strconv"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
)

// The readers of values: the counterparts of what value.go appends. Each gets the bare value of a field, gives the house what it
// has a place for, and says what extra must keep, so that the same comes out again. What the house says is not kept too:
// it would come out again after the house has changed its mind.

func keep(_ *hearing, _ *slot, sent []byte) []byte { return sent }

func keepUnlessNull(_ *hearing, _ *slot, sent []byte) []byte {
	if isNone(sent) {
		return nil
	}
	return sent
}

func keepUnlessAbsent(_ *hearing, f *slot, sent []byte) []byte {
	if string(sent) == f.value.absent {
		return nil
	}
	return sent
}

// keepNumber keeps the number of a user, out of its wrapping unless that names another model.
func keepNumber(_ *hearing, _ *slot, sent []byte) []byte {
	number := numberIn(sent)
	if model := textOf(dialect.Member(sent, "model")); number == nil || model != "" && kindOf(model) != carillon.KindUser {
		return sent
	}
	return number
}

// setOr gives the slot's member its value. If that is none, extra keeps what the vendor sent, unless it is the default.
func (h *hearing) setOr(f *slot, value, sent []byte) []byte {
	h.set(f, value)
	if value == nil || !isNone(value) {
		return nil
	}
	return keepUnlessAbsent(h, f, sent)
}

// text is the text of what should be one, as JSON; null if it is empty.
func (h *hearing) text(f *slot, sent []byte) []byte {
	switch {
	case isBlank(sent):
		return []byte(null)
	case sent[0] == '"' && f.sort == carillon.TypeText:
		return sent
	case sent[0] == '"':
		return h.line(sent, " ")
	case sent[0] == '{', sent[0] == '[':
		h.wrong(f, "must be a text")
		return nil
	default:
		return quote(sent)
	}
}

// line makes a text one of one line.
func (h *hearing) line(sent []byte, between string) []byte {
	text := textOf(sent)
	joined := oneLine(text, between)
	if joined == text {
		return sent
	}
	h.joined++
	if joined == "" {
		return []byte(null)
	}
	return quote(joined)
}

func readText(h *hearing, f *slot, sent []byte) []byte {
	if f.sort == carillon.TypeDate {
		return h.readDate(f, sent)
	}
	return h.setOr(f, h.text(f, sent), sent)
}

// readDate reads a date, or that of a time.
func (h *hearing) readDate(f *slot, sent []byte) []byte {
	text := textOf(sent)
	if isBlank(sent) {
		return h.setOr(f, []byte(null), sent)
	}
	day, _, _ := strings.Cut(strings.Replace(text, " ", "T", 1), "T")
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		h.wrong(f, "must be a date, YYYY-MM-DD")
		return nil
	}
	return h.setOr(f, quote(day), sent)
}

// readTexts reads a list of texts; an object in it is taken for its name.
func readTexts(h *hearing, f *slot, sent []byte) []byte {
	var list []string
	for element := range elementsOf(sent) {
		if element[0] == '{' {
			element = dialect.Member(element, "name")
		}
		if text := h.text(f, element); !isNone(text) || string(element) == `""` {
			list = append(list, textOf(text))
		}
	}
	return h.setOr(f, appendTexts(nil, list), sent)
}

func readBoolean(h *hearing, f *slot, sent []byte) []byte {
	if isBlank(sent) {
		return h.setOr(f, []byte(null), sent)
	}
	value := truth(sent)
	if value == nil {
		h.wrong(f, "must be true or false")
	}
	return h.setOr(f, value, sent)
}

// readNumber reads a number digit for digit. A choice of ranges ("11-50") is no number: it stays the vendor's.
func readNumber(h *hearing, f *slot, sent []byte) []byte {
	if isBlank(sent) {
		return h.setOr(f, []byte(null), sent)
	}
	number := decimalIn(sent)
	if f.sort == carillon.TypeInteger {
		if n, err := strconv.ParseInt(trimmed(number), 10, 64); err == nil {
			return h.setOr(f, strconv.AppendInt(nil, n, 10), sent)
		}
		return h.setOr(f, []byte(null), sent)
	}
	if number == "" {
		h.wrong(f, "must be a number")
		return nil
	}
	return h.setOr(f, []byte(number), sent)
}

// readDecimal reads a number that is written with a decimal or without.
func readDecimal(h *hearing, f *slot, sent []byte) []byte {
	if isBlank(sent) {
		return h.setOr(f, []byte(null), sent)
	}
	number := trimmed(decimalIn(sent))
	if number == "" {
		h.wrong(f, "must be a number")
		return nil
	}
	return h.setOr(f, []byte(number), sent)
}

// readBaseAmount keeps the amount in the account's own currency if it is another.
func readBaseAmount(h *hearing, f *slot, sent []byte) []byte {
	if number := decimalIn(sent); number != "" && trimmed(number) == trimmed(decimalIn(h.sentOf("amount"))) {
		return nil
	}
	return keepUnlessAbsent(h, f, sent)
}

func readMoment(h *hearing, f *slot, sent []byte) []byte {
	if isBlank(sent) {
		return h.setOr(f, []byte(null), sent)
	}
	at, ok := instant(sent)
	if !ok {
		h.wrong(f, "must be a time as RFC 3339 has it")
		return nil
	}
	return h.setOr(f, quote(carillon.FormatTime(at)), sent)
}

// readLines reads an address' lines as one.
func readLines(h *hearing, f *slot, sent []byte) []byte {
	if sent[0] == '"' {
		sent = h.line(sent, ", ")
	}
	line := h.text(f, sent)
	if line == nil {
		return nil
	}
	h.setPart(f.place, "line1", line)
	if isNone(line) {
		return keepUnlessAbsent(h, f, sent)
	}
	return nil
}

func readID(_ *hearing, _ *slot, sent []byte) []byte {
	if number := numberIn(sent); counts(number) {
		return number
	}
	return nil
}

// readDeleted keeps nothing: what was deleted is read otherwise.
func readDeleted(*hearing, *slot, []byte) []byte { return nil }

// deleted reports whether the object says that it is no more.
func (h *hearing) deleted() bool { return string(truth(h.sentOf("is_deleted"))) == "true" }

// readStatusNumber reads the status of a custom module's record as the text of its number.
func readStatusNumber(h *hearing, f *slot, sent []byte) []byte {
	status := h.text(f, sent)
	if kept := h.setOr(f, status, sent); kept != nil || isNumber(textOf(status)) {
		return kept
	}
	return keepUnlessAbsent(h, f, sent)
}

// readOpenOrCompleted reads the status of a task, which the vendor also numbers.
func readOpenOrCompleted(h *hearing, f *slot, sent []byte) []byte {
	status := h.text(f, sent)
	switch textOf(status) {
	case "0":
		status = quote(taskOpen)
	case "1":
		status = quote(taskCompleted)
	}
	return h.setOr(f, status, sent)
}

// readFullName keeps a contact's name if it is not that of both its names.
func readFullName(h *hearing, _ *slot, sent []byte) []byte {
	if textOf(sent) == nameOf(h.members) {
		return nil
	}
	return sent
}

// displayName is by what a record is called as a whole; nil if the vendor does not say.
func (h *hearing) displayName() []byte {
	place, ok := h.object.places["display_name"]
	if !ok || isBlank(h.sent[place]) || h.sent[place][0] != '"' {
		return nil
	}
	if line := h.line(h.sent[place], " "); !isNone(line) {
		return line
	}
	return nil
}

// readEmails reads the first of a contact's addresses, or the one that is called primary.
func readEmails(h *hearing, f *slot, sent []byte) []byte {
	address := []byte(null)
	for element := range elementsOf(sent) {
		found := addressOf(element)
		if found == nil {
			continue
		}
		primary := string(truth(dialect.Member(element, "is_primary"))) == "true"
		if isNone(address) || primary {
			address = h.line(found, " ")
		}
		if primary {
			break
		}
	}
	h.set(f, address)
	if isBlank(sent) || sent[0] == '"' || string(sent) == f.value.absent {
		return nil
	}
	return asList(sent)
}

// readChoice reads what the vendor calls a choice: by the association that goes with its number.
func readChoice(h *hearing, f *slot, sent []byte) []byte {
	if name := dialect.Member(h.association(f.value.association), f.value.by); !isBlank(name) && name[0] != '{' && name[0] != '[' {
		return h.setOr(f, h.text(f, name), sent)
	}
	number := numberIn(sent)
	switch {
	case number == nil && sent[0] == '"':
		return h.setOr(f, h.text(f, sent), sent)
	case number == nil:
		h.wrong(f, "must be a number")
		return nil
	case !counts(number) && f.value.except != "":
		h.set(f, quote(f.value.except))
		return nil
	case !counts(number):
		return h.setOr(f, []byte(null), sent)
	case f.value.by != byName: // what the house wants is no name, but a code
		h.set(f, []byte(null))
		return number
	default:
		h.set(f, quote(number))
		return number
	}
}

// readRecord reads a reference to another record.
func (h *hearing) readRecord(f *slot, sent []byte, kind carillon.Kind) []byte {
	number := numberIn(sent)
	switch {
	case number == nil:
		h.wrong(f, "must be the number of a record")
		return nil
	case !counts(number):
		return h.setOr(f, []byte(null), sent)
	}
	if kind != carillon.KindUser {
		h.mention(kind, number) // one that is only numbered, the house must know already
	}
	h.set(f, quote(h.prefix+string(number)))
	return nil
}

// numbers reads a list of numbers, each once.
func (h *hearing) numbers(f *slot, sent []byte) []string {
	var list []string
	seen := make(map[string]bool)
	for element := range elementsOf(sent) {
		number := numberIn(element)
		switch {
		case number == nil:
			h.wrong(f, "must be numbers of records")
			return nil
		case counts(number) && !seen[string(number)]:
			seen[string(number)] = true
			list = append(list, string(number))
		}
	}
	return list
}

// readRecords reads references to other records. Unless the message says something of each, it says nothing of the list: the house keeps the
// one that it has, and all that the vendor sent is kept beside.
func (h *hearing) readRecords(f *slot, sent []byte, kind carillon.Kind) []byte {
	list, ok := h.mentionAll(kind, h.numbers(f, sent))
	if !ok {
		return sent
	}
	return h.setOr(f, appendTexts(nil, list), sent)
}

// mentionAll mentions records and gives their ids; false if the message only numbers one of them.
func (h *hearing) mentionAll(kind carillon.Kind, numbers []string) (ids []string, ok bool) {
	ok = true
	for _, number := range numbers {
		ok = h.mention(kind, []byte(number)) && ok
		ids = append(ids, h.prefix+number)
	}
	return ids, ok
}

// readAccountIDs reads the account of a contact: the first of its accounts, or the one that is called primary. The others stay the
// vendor's.
func readAccountIDs(h *hearing, f *slot, sent []byte) []byte {
	list := h.numbers(f, sent)
	if len(list) == 0 {
		h.set(f, []byte(null))
		return nil
	}
	account := list[0]
	for _, number := range list {
		if string(truth(dialect.Member(h.described[carillon.KindAccount][number], "is_primary"))) == "true" {
			account = number
			break
		}
	}
	h.mention(carillon.KindAccount, []byte(account))
	h.set(f, quote(h.prefix+account))
	if len(list) == 1 {
		return nil
	}
	others := []byte{'['}
	for _, number := range list {
		if number != account {
			others = append(comma(others), number...)
		}
	}
	return append(others, ']')
}

// readOtherAccounts keeps what the vendor said of those others.
func readOtherAccounts(h *hearing, a *association, sent []byte) []byte {
	account := textOf(h.members[placeOf(h.object.kind, a.value.member)])
	others := []byte{'['}
	for element := range elementsOf(sent) {
		if number := numberIn(element); number == nil || h.prefix+string(number) != account {
			others = append(comma(others), element...)
		}
	}
	if len(others) == 1 {
		return nil
	}
	return append(others, ']')
}

// kindOf is the kind of the records that the vendor calls by a model's name; "" if the house keeps none of those.
func kindOf(model string) carillon.Kind {
	switch name := model[strings.LastIndexByte(model, ':')+1:]; strings.ToLower(strings.ReplaceAll(name, "_", "")) {
	case "user":
		return carillon.KindUser
	case "contact":
		return carillon.KindContact
	case "salesaccount":
		return carillon.KindAccount
	default:
		return ""
	}
}

// isOnAccount reports whether a task or appointment is about an account. What else it may be about, the house has no place for.
func (h *hearing) isOnAccount() bool {
	model := textOf(h.sentOf("targetable_type"))
	for _, name := range [...]string{"_model", "model", "type"} {
		if model == "" {
			model = textOf(dialect.Member(h.association("targetable"), name))
		}
	}
	return kindOf(model) == carillon.KindAccount
}

func readTargetable(h *hearing, f *slot, sent []byte) []byte {
	number := numberIn(sent)
	if !counts(number) || !h.isOnAccount() {
		return h.setOr(f, []byte(null), sent)
	}
	h.describe(carillon.KindAccount, h.association("targetable"))
	h.mention(carillon.KindAccount, number)
	h.set(f, quote(h.prefix+string(number)))
	return nil
}

func readTargetableType(h *hearing, f *slot, sent []byte) []byte {
	if h.isOnAccount() {
		return nil
	}
	return keepUnlessAbsent(h, f, sent)
}

func readTargetableOf(h *hearing, _ *association, sent []byte) []byte {
	if isNone(sent) || h.isOnAccount() {
		return nil
	}
	return sent
}

// readContacts keeps what the vendor said of contacts whose list the house has not taken.
func readContacts(h *hearing, a *association, sent []byte) []byte {
	if h.members[placeOf(h.object.kind, a.value.member)] != nil {
		return nil
	}
	return keepAssociation(h, a, sent)
}

// readAttendees reads who attends an appointment: users, and contacts if the message says something of each. The rest stays the vendor's,
// and so do the numbers of the pairs.
func readAttendees(h *hearing, _ *association, sent []byte) []byte {
	var users, contacts []string
	seen := make(map[attendee]bool)
	for element := range elementsOf(sent) {
		one := attendeeIn(element)
		if !counts([]byte(one.number)) || seen[one] {
			continue
		}
		seen[one] = true
		switch one.kind {
		case carillon.KindUser:
			users = append(users, h.prefix+one.number)
		case carillon.KindContact:
			h.describe(carillon.KindContact, element)
			contacts = append(contacts, one.number)
		}
	}
	h.members[appointmentUsers] = appendTexts(nil, users)
	if ids, ok := h.mentionAll(carillon.KindContact, contacts); ok {
		h.members[appointmentContacts] = appendTexts(nil, ids)
	}
	return keepAssociation(h, nil, asList(sent))
}

func keepAssociation(_ *hearing, _ *association, sent []byte) []byte {
	if isNone(sent) || string(sent) == `[]` {
		return nil
	}
	return sent
}

// readUser takes up what is said of a user.
func readUser(h *hearing, a *association, sent []byte) []byte {
	h.hearUser(sent, "/data/"+associationsName+"/"+a.name)
	return nil
}

// readUsers takes up what the message says of users, and nothing else.
func (h *hearing) readUsers() {
	for i := range h.object.associations {
		if a := &h.object.associations[i]; isPerson(a.name) {
			readUser(h, a, h.message.associations[i])
		}
	}
}

func isPerson(association string) bool {
	return association == "owner" || association == "creator" || association == "updater"
}

func readActive(h *hearing, f *slot, sent []byte) []byte {
	switch string(truth(sent)) {
	case "true":
		h.set(f, quote(userActive))
	case "false":
		h.set(f, quote(userInactive))
	}
	return nil
}

// The states of users and tasks that the vendor knows.
const (
	userActive    = "ACTIVE"
	userInactive  = "INACTIVE"
	taskOpen      = "Open"
	taskCompleted = "Completed"
)
