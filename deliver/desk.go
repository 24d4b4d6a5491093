package deliver

import (
	"context"

	"carillon"
)

// Status is how a subscription fares at this moment.
type Status struct {
	State       carillon.State
	Cursor      int64
	Lag         int64 // changes behind the head of the log
	ParkedLanes int
	DeadLetters int
	Delivered   int64
	Failed      int64
	LastError   string
	Replay      *carillon.ReplayProgress // a bounded replay under way, or nil
}

// Desk is what the faces (api, console) ask of the engine. All methods fail with not_found for a subscription that
// is not of the org.
type Desk interface {
	// Create checks the subscription, gives it id, secret, times and starting point, and starts it.
	Create(ctx context.Context, s *carillon.Subscription) error
	// Update replaces what a person may change (everything but id, org, secrets, start, times) and restarts the reader.
	Update(ctx context.Context, s *carillon.Subscription) error
	Delete(ctx context.Context, org, id string) error
	Pause(ctx context.Context, org, id string) error
	// Resume also revives a disabled subscription and closes an open circuit.
	Resume(ctx context.Context, org, id string) error
	// RotateSecret makes a new secret; the old one signs beside it for 24 hours.
	RotateSecret(ctx context.Context, org, id string) (*carillon.Subscription, error)
	// Test sends one test event now and reports how that went; it changes nothing else.
	Test(ctx context.Context, org, id string) (*carillon.Attempt, error)
	// Replay tells the changes from..to (inclusive; to 0 means the head) again. Fails with conflict while one is under way.
	Replay(ctx context.Context, org, id string, from, to int64) error
	// ReplayDeadLetters tries dead letters again (ids nil: all) and says how many were taken up.
	ReplayDeadLetters(ctx context.Context, org, id string, ids []string) (int, error)
	Status(ctx context.Context, org, id string) (Status, error)
	// Attempts lists the newest attempts, successes and failures, newest first.
	Attempts(ctx context.Context, org, id string, limit int) ([]*carillon.Attempt, error)
}
