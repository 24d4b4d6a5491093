// Package filter decides which events a subscription wants: by patterns over event types, and by an expression over
// event and payload.
//
// An expression's text enters at Compile; afterwards changes enter and yes or no leaves. Both are written by strangers, so
// both are bounded: the language has no loops but the quantifiers, and a run has a budget of steps.
//
// # The language
//
// Expressions are those of github.com/expr-lang/expr, which parses and type-checks them; they are evaluated here, for two
// promises that its machine does not give: a run can be stopped, and what is missing is nil rather than an error.
//
//	event.type == "account:updated" and "health" in event.changed
//	payload.account.health == "At Risk" and payload.previousAccount.health != "At Risk"
//	payload.deal.amount * payload.deal.probability / 100 >= 10000
//	any(payload.account.tags, # startsWith "vip")
//	payload.account.customFields.tier[0] in ["gold", "platinum"]
//
// Names: event.{id, type, timestamp, seq, lane, kind, module, op, origin, changed, actor.{id, type, email}, orgId};
// payload.account, payload.previousAccount and so on, by the payload keys of the kinds, with the members of their
// field tables. event.changed lists the members that an update changed, custom fields as customFields.uid. A deleted
// comment is payload.comment as well as payload.previousComment.
//
// Operators: and or not ?: ??, == != < <= > >=, in, contains, startsWith, endsWith, matches (with a literal pattern of
// Go's regexp), + - * / % ** (in double precision; + joins strings, too). Functions: len lower upper trim abs, and the
// quantifiers all any none one count. Times compare as text, since they are written with fixed precision in UTC.
//
// A missing member, an index out of range and a calculation with either are nil. Nil equals nil only; it is neither less nor
// greater than anything, contains nothing, is in no list, and counts as false where a condition is asked for.
package filter
