// Package freshsales speaks the language of Freshsales' product events (Freshworks CRM developer documentation, "Product
// Events"): twelve events, of which an update also tells a deletion, with wrapped fields, associations and changes.
//
// A change enters; its event and message leave. Or a message of the vendor's enters, and what it tells leaves (decode.go). What the vendor's objects hold and where it comes from are tables in the
// order of the vendor's samples, one file per object (contact.go, deal.go, salesaccount.go, custommodule.go,
// appointment.go, task.go, user.go), to be read beside the vendor's page. Values that the house has no place for come from
// the record's extra, under "freshsales":
//
//	{"id": 5510, "mcr_id": 1270375514142703600, …, "associations": {"deal_stage": {"id": 1061, "name": "New"}, …}}
//
// that is the vendor's object with the values of its fields alone (without label and type), and of its associations what
// no record of the house says. Names that no table knows go out again as they are.
//
// The numbers of records are the vendor's if extra has them, else the house's. What the vendor numbers and the house only
// names (stages, currencies, …) has the vendor's number as long as the name is still the one the vendor sent, else one made
// of the name.
//
// What is read is the same tables the other way: each value has a reader (read.go) beside what writes it, which gives the house what
// it has a place for, and extra the rest. A hearing is one of the vendor's objects while it is read, as a side is one of the house's
// records while it is told.
//
// People and related records are as of the change; they need EncodeWith. The product "freshsales" (Classic) has a plainer
// form: classic.go.
package freshsales
