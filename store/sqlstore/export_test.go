package sqlstore

// SelectChanges writes the query of a log read, so that tests can ask the engine how it would run it.
var SelectChanges = selectChanges

// Waiting is how many acts are queued.
func (s *Store) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.acts)
}
