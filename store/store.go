package store

import (
	"context"
	"time"

	"carillon"
)

// Store is one archive. All methods are safe for concurrent use.
type Store interface {
	Reader

	// Update runs fn in a durable write transaction: when it returns nil, what fn wrote has reached the disk;
	// when it returns an error, nothing fn wrote remains. Concurrent calls may share one transaction and one
	// fsync, one after the other, each seeing what those before it wrote; an error from one does not touch the others.
	// fn must not wait for another Update and must not keep the Tx. It runs at most once, unless the engine must
	// retry a serialisation failure, so it must not have effects of its own.
	Update(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error

	// Watch gives a channel that receives (without blocking the writer) after changes of any org were committed
	// by this process or, where the engine can tell, another. It is a hint: readers poll as well. stop ends it.
	Watch() (nudges <-chan struct{}, stop func())

	// Follow has fn hear of the changes that this process commits, after each commit, in the order of the log. fn runs
	// between two commits, so it must be quick; the changes are shared and must not be altered. It spares followers the
	// way through the log, and is a shortcut only: what others write to the same archive is found by Watch and Changes.
	Follow(fn func(changes []*carillon.Change)) (stop func())

	// Size is the archive's size on disk in bytes, write-ahead log included.
	Size(ctx context.Context) (int64, error)

	Close() error
}

// Reader is what can be read outside a write transaction. Every read sees committed data only, and what an Update
// that returned before the read began has written.
type Reader interface {
	// Record reads one record as it stands. Fails with not_found.
	Record(ctx context.Context, org string, ref carillon.Ref) (*carillon.Record, error)
	// RecordAsOf reads a record as it stood after change seq. Fails with not_found if it did not exist then.
	RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
	// Records lists records by id.
	Records(ctx context.Context, org string, q RecordQuery) ([]*carillon.Record, error)
	// CountRecords counts the records of an org as they stand; kinds without any are absent. It may cost a pass over an index.
	CountRecords(ctx context.Context, org string) (map[carillon.Kind]int64, error)
	// Snapshot lists the records of an org as they stood after change asOf, in the order of carillon.Kinds, then
	// module, then id; those after the given ref (zero: from the start), limit at most. Fewer than limit means the end.
	Snapshot(ctx context.Context, org string, asOf int64, after carillon.Ref, limit int) ([]*carillon.Record, error)

	// Changes reads the log in ascending seq (or descending, if asked). A reader that goes on after the last seq it got
	// never misses a change: seqs have no gaps and become visible in order.
	Changes(ctx context.Context, org string, q LogQuery) ([]*carillon.Change, error)
	// Head is the seq of the newest change of the org, 0 if there is none; Heads those of all orgs that have any.
	Head(ctx context.Context, org string) (int64, error)
	Heads(ctx context.Context) (map[string]int64, error)
	// SeqAt is the seq of the last change at or before t, 0 if there is none.
	SeqAt(ctx context.Context, org string, t time.Time) (int64, error)

	Subscription(ctx context.Context, org, id string) (*carillon.Subscription, error)
	// Subscriptions lists those of one org by id; org "" means all orgs.
	Subscriptions(ctx context.Context, org string) ([]*carillon.Subscription, error)
	// Progress reads where a subscription stands; not_found before its first checkpoint.
	Progress(ctx context.Context, org, subscription string) (*carillon.Progress, error)
	ParkedLanes(ctx context.Context, org, subscription string) ([]*carillon.ParkedLane, error)
	// DeadLetters lists newest first; after is the id of the last one seen ("" from the start).
	DeadLetters(ctx context.Context, org, subscription, after string, limit int) ([]*carillon.DeadLetter, error)
	DeadLetter(ctx context.Context, org, subscription, id string) (*carillon.DeadLetter, error)
	CountDeadLetters(ctx context.Context, org, subscription string) (int, error)
	// Attempts lists the failed attempts kept, newest first; before is the time of the last one seen (zero from the start).
	Attempts(ctx context.Context, org, subscription string, before time.Time, limit int) ([]*carillon.Attempt, error)
	// RecentDeliveries reads the newest successful attempts as saved by SaveRecentDeliveries, newest first.
	RecentDeliveries(ctx context.Context, org, subscription string) ([]*carillon.Attempt, error)

	// Connection reads one connection; org "" means whichever org has it, since a vendor's URL names no org. Fails with not_found.
	Connection(ctx context.Context, org, id string) (*carillon.Connection, error)
	// Connections lists those of one org by id; org "" means all orgs.
	Connections(ctx context.Context, org string) ([]*carillon.Connection, error)
	// Inbound reads one delivery. Fails with not_found.
	Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error)
	// Inbox lists deliveries by position.
	Inbox(ctx context.Context, q InboxQuery) ([]*carillon.Inbound, error)

	// App reads one installation with its package; org "" means whichever org has it, since the URL of external events names
	// no org. Fails with not_found.
	App(ctx context.Context, org, id string) (*carillon.App, error)
	// Apps lists the installations of one org by id, without their packages; org "" means all orgs.
	Apps(ctx context.Context, org string) ([]*carillon.App, error)
	// Invocations lists what handlers did, by position.
	Invocations(ctx context.Context, q InvocationQuery) ([]*carillon.Invocation, error)
	// AppValue reads what an app keeps under a key, expired or not. Fails with not_found.
	AppValue(ctx context.Context, org, app, key string) (*carillon.AppValue, error)
	// AppSchedules lists those of an app by name.
	AppSchedules(ctx context.Context, org, app string) ([]*carillon.AppSchedule, error)
	// DueAppSchedules lists, of each app of whatever org, the one that is called first, if that is at or before a time; the earliest
	// first, limit at most.
	DueAppSchedules(ctx context.Context, until time.Time, limit int) ([]*carillon.AppSchedule, error)

	// KeyByHash finds an API key by the SHA-256 of its secret. Fails with not_found.
	KeyByHash(ctx context.Context, hash [32]byte) (*carillon.Key, error)
	Keys(ctx context.Context, org string) ([]*carillon.Key, error)

	CustomFields(ctx context.Context, org string, kind carillon.Kind) ([]*carillon.CustomField, error)
	ValueLists(ctx context.Context, org string) ([]*carillon.ValueList, error)
}

// RecordQuery selects records of one kind (and module).
type RecordQuery struct {
	Kind   carillon.Kind
	Module string
	// After is the id of the last record seen; Limit is at least 1.
	After string
	Limit int
	// Lane restricts to records of one account; "" means all.
	Lane string
	// RefersTo restricts to records that hold this reference (see RecordWrite); an empty Member means all. An engine
	// finds them without looking at others.
	RefersTo Reference
	// Equal restricts to records whose top-level string member has the value. Names come from the field table
	// (the caller checks), values are bound as parameters.
	Equal map[string]string
	// UpdatedSince restricts to records updated at or after; zero means all.
	UpdatedSince time.Time
}

// LogQuery selects changes of one org.
type LogQuery struct {
	After int64 // exclusive
	Until int64 // inclusive; 0 means the head
	// Lane restricts to changes of a lane, those that moved a record out of it included.
	Lane string
	// Ref restricts to changes of one record.
	Ref *carillon.Ref
	// Limit is at least 1. MaxBytes ends the page early once that many bytes of before and after were read (0: no bound);
	// a page has at least one change if there is any.
	Limit    int
	MaxBytes int
	// Descending reads from Until (or the head) down to After.
	Descending bool
}

// InboxQuery selects deliveries. Zero members select all.
type InboxQuery struct {
	Org        string // "" means all orgs
	Connection string
	State      carillon.InboxState
	// Awaiting restricts to deliveries that wait for a record to exist; AwaitingAny to those that wait for any.
	Awaiting    carillon.Ref
	AwaitingAny bool
	// After is the position of the last one seen, 0 for none; Ascending lists the oldest first instead of the newest.
	After     int64
	Ascending bool
	// Limit is at least 1.
	Limit int
	// Bodies asks for the bodies as well; MaxBytes then ends the page early once that many bytes of them were read (0: no
	// bound). A page has at least one delivery if there is any.
	Bodies   bool
	MaxBytes int
}

// InvocationQuery selects invocations of one app.
type InvocationQuery struct {
	Org string
	App string
	// Failed restricts to those that failed.
	Failed bool
	// After is the position of the last one seen, 0 for none; Ascending lists the oldest first instead of the newest.
	After     int64
	Ascending bool
	// Limit is at least 1.
	Limit int
}

// KeptInvocations is how many invocations are kept of an app: the newest.
const KeptInvocations = 1000

// Key of a record across orgs.
type RecordKey struct {
	Org string
	carillon.Ref
}

// Head is an org's counters.
type Head struct {
	Seq    int64 // of the newest change
	Number int64 // of the newest record
}

// Reference is one "this record refers to that one", kept so that deletions find who depends on a record.
type Reference struct {
	Member string        // the field that holds the id
	Kind   carillon.Kind // of the record referred to
	ID     string
}

// Referrer is a record that refers to another through Member.
type Referrer struct {
	carillon.Ref
	Member string
}

// RecordWrite stores a record. References replace those stored if ReferencesChanged (or the record is new).
type RecordWrite struct {
	*carillon.Record
	New               bool
	References        []Reference
	ReferencesChanged bool
}

// Remembered is the result of an act done under a key, kept so that a repeat gives the same answer.
type Remembered struct {
	Org         string
	Scope       string // "api", "connection:ID"
	Key         string
	Fingerprint [32]byte // of the request
	Result      []byte
	CreatedAt   time.Time
}

// RememberedKey finds a Remembered.
type RememberedKey struct{ Org, Scope, Key string }

// HeardKey finds a carillon.Heard.
type HeardKey struct {
	Org    string
	Source string
	carillon.Ref
}

// Expiry says of each thing that is kept for a while from when on it stays.
type Expiry struct {
	Remembered time.Time
	Attempts   time.Time
	// Inbox is of deliveries that were applied, or were duplicates; others stay.
	Inbox time.Time
	// Invocations is of what handlers did. AppValues is of values that expire: those stay that expire later.
	Invocations time.Time
	AppValues   time.Time
}

// Tx is a write transaction. Reads see the transaction's own writes.
type Tx interface {
	// Lock reads the counters of the orgs and keeps other writers of these orgs out until the transaction ends. Every
	// transaction that changes records locks their orgs first; this is what makes seqs gapless and visible in order.
	Lock(ctx context.Context, orgs []string) (map[string]Head, error)
	SaveHeads(ctx context.Context, heads map[string]Head) error

	// Records reads records by key; keys without a record are absent from the map.
	Records(ctx context.Context, keys []RecordKey) (map[RecordKey]*carillon.Record, error)
	PutRecords(ctx context.Context, records []RecordWrite) error
	// DeleteRecords removes records and the references they hold.
	DeleteRecords(ctx context.Context, keys []RecordKey) error
	// Referrers lists who refers to a record, in the order kind, module, id; limit at most (0: all).
	Referrers(ctx context.Context, org string, kind carillon.Kind, id string, limit int) ([]Referrer, error)
	// Append adds changes whose Seq the caller has taken from Lock's heads. An update whose changes leave a gap, or whose
	// saved head is not its last change, fails.
	Append(ctx context.Context, changes []*carillon.Change) error

	Remembered(ctx context.Context, keys []RememberedKey) (map[RememberedKey]*Remembered, error)
	Remember(ctx context.Context, results []*Remembered) error

	// Heard reads the newest that sources have said of records; keys of which nothing was heard are absent from the map.
	Heard(ctx context.Context, keys []HeardKey) (map[HeardKey]carillon.HeardAt, error)
	PutHeard(ctx context.Context, heard []*carillon.Heard) error

	// CustomFields and ValueLists as Reader's.
	CustomFields(ctx context.Context, org string, kind carillon.Kind) ([]*carillon.CustomField, error)
	ValueLists(ctx context.Context, org string) ([]*carillon.ValueList, error)
	PutCustomField(ctx context.Context, f *carillon.CustomField) error
	// DeleteCustomField fails with not_found.
	DeleteCustomField(ctx context.Context, org string, kind carillon.Kind, uid string) error
	PutValueList(ctx context.Context, l *carillon.ValueList) error
	// DeleteValueList fails with not_found.
	DeleteValueList(ctx context.Context, org, name string) error

	// Subscription reads inside the transaction; fails with not_found.
	Subscription(ctx context.Context, org, id string) (*carillon.Subscription, error)
	// PutSubscription inserts or replaces.
	PutSubscription(ctx context.Context, s *carillon.Subscription) error
	// DeleteSubscription removes it with its progress, lanes, dead letters and attempts. Fails with not_found.
	DeleteSubscription(ctx context.Context, org, id string) error

	// SaveProgress writes a checkpoint. It does nothing for a subscription that no longer exists, like all that follows
	// here: what came after the deletion would never be removed.
	SaveProgress(ctx context.Context, p *carillon.Progress) error
	PutParkedLanes(ctx context.Context, lanes []*carillon.ParkedLane) error
	DeleteParkedLanes(ctx context.Context, org, subscription string, lanes []string) error
	PutDeadLetters(ctx context.Context, letters []*carillon.DeadLetter) error
	DeleteDeadLetters(ctx context.Context, org, subscription string, ids []string) error
	// AddAttempts keeps failed attempts. Where two of a subscription have the same time, one gives way by a nanosecond, so
	// that pages by time lose none.
	AddAttempts(ctx context.Context, attempts []*carillon.Attempt) error
	// SaveRecentDeliveries replaces the one row per subscription that shows its newest successes, newest first.
	// Its size is bounded by the caller, so that storage does not grow with deliveries.
	SaveRecentDeliveries(ctx context.Context, org, subscription string, attempts []*carillon.Attempt) error

	// PutKey inserts or replaces. Fails with conflict if another key has the same hash.
	PutKey(ctx context.Context, k *carillon.Key) error
	// DeleteKey fails with not_found.
	DeleteKey(ctx context.Context, org, id string) error

	// Connection as Reader's, for one org.
	Connection(ctx context.Context, org, id string) (*carillon.Connection, error)
	// PutConnection inserts or replaces. Fails with conflict if another org's connection has the id.
	PutConnection(ctx context.Context, c *carillon.Connection) error
	// DeleteConnection removes it with its deliveries and all that was heard and remembered of it. Fails with not_found.
	DeleteConnection(ctx context.Context, org, id string) error
	// AddInbound stores a new delivery and sets its Position, which is greater than that of any before. Fails with
	// not_found if its connection does not exist.
	AddInbound(ctx context.Context, d *carillon.Inbound) error
	// SaveInbound writes what became of a delivery: all but what came (content type, header, body) and its place. It does
	// nothing for a delivery that no longer exists.
	SaveInbound(ctx context.Context, d *carillon.Inbound) error

	// App as Reader's, for one org.
	App(ctx context.Context, org, id string) (*carillon.App, error)
	// PutApp inserts or replaces; a nil Package leaves the one that is stored. Fails with conflict if another org's app has the id.
	PutApp(ctx context.Context, a *carillon.App) error
	// DeleteApp removes it with its invocations, values and schedules. Fails with not_found.
	DeleteApp(ctx context.Context, org, id string) error
	// AddInvocations keeps invocations and sets their positions, each greater than that of any before. Of an app the newest
	// KeptInvocations stay. Those of an app that does not exist are dropped.
	AddInvocations(ctx context.Context, invocations []*carillon.Invocation) error
	// AppValue reads inside the transaction, expired or not. Fails with not_found.
	AppValue(ctx context.Context, org, app, key string) (*carillon.AppValue, error)
	// PutAppValue inserts or replaces. Fails with not_found if the app does not exist.
	PutAppValue(ctx context.Context, v *carillon.AppValue) error
	// DeleteAppValue fails with not_found.
	DeleteAppValue(ctx context.Context, org, app, key string) error
	// AppSchedule reads inside the transaction. Fails with not_found.
	AppSchedule(ctx context.Context, org, app, name string) (*carillon.AppSchedule, error)
	// CountAppSchedules counts an app's schedules by whether they recur.
	CountAppSchedules(ctx context.Context, org, app string) (once, recurring int, err error)
	// PutAppSchedule inserts or replaces. Fails with not_found if the app does not exist.
	PutAppSchedule(ctx context.Context, s *carillon.AppSchedule) error
	// DeleteAppSchedule fails with not_found.
	DeleteAppSchedule(ctx context.Context, org, app, name string) error

	// Prune removes what has outlived its time, but at most so many of each sort, so that it keeps nobody waiting for long;
	// more says that others may be left.
	Prune(ctx context.Context, e Expiry, most int) (more bool, err error)
}
