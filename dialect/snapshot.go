package dialect

import "carillon"

// SnapshotActor is who the events of a snapshot name as actor.
var SnapshotActor = carillon.Actor{ID: "carillon", Type: "system"}

// SnapshotChange is how a subscription that starts from a snapshot is told of a record that existed after change asOf:
// as if it had been created as it stood then. It is nil for a record younger than asOf, which the log tells
// itself; telling it twice would put an old state after a new one.
func SnapshotChange(r *carillon.Record, asOf int64) *carillon.Change {
	if r.Seq > asOf {
		return nil
	}
	return &carillon.Change{
		Org:     r.Org,
		Seq:     r.Seq,
		Ref:     r.Ref,
		Op:      carillon.OpCreated,
		Number:  r.Number,
		Version: r.Version,
		Lane:    r.Lane,
		Time:    r.UpdatedAt,
		Actor:   SnapshotActor,
		Origin:  OriginSnapshot,
		After:   r.Data,
		Extra:   r.Extra,
	}
}
