package client

import (
	"container/list"
	"context"
	"sync"
)

// Memory is a Seen that keeps the newest event ids in memory.
type Memory struct {
	mu    sync.Mutex
	size  int
	order *list.List // of ids, newest first
	ids   map[string]*list.Element
}

// NewMemory makes a Memory of at most size ids.
func NewMemory(size int) *Memory {
	return &Memory{size: max(size, 1), order: list.New(), ids: map[string]*list.Element{}}
}

// Has reports whether the id is remembered, and keeps it a while longer if so.
func (m *Memory) Has(_ context.Context, eventID string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.ids[eventID]
	if ok {
		m.order.MoveToFront(e)
	}
	return ok, nil
}

// Add remembers the id and forgets the oldest one if there are too many.
func (m *Memory) Add(_ context.Context, eventID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.ids[eventID]; ok {
		return nil
	}
	m.ids[eventID] = m.order.PushFront(eventID)
	if m.order.Len() > m.size {
		oldest := m.order.Back()
		m.order.Remove(oldest)
		if id, ok := oldest.Value.(string); ok {
			delete(m.ids, id)
		}
	}
	return nil
}
