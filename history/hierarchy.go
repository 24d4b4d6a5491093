package history

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"carillon"
	"carillon/store"
)

// Bounds of one hierarchy.
const (
	maxNodes = 500
	maxDepth = 16
)

// Hierarchy is a part of the graph of accounts, as seen from one of them: everything above it, everything below it.
type Hierarchy struct {
	Account string `json:"account"`
	// Nodes are the accounts, ordered by depth and id.
	Nodes []Node `json:"nodes" nullable:"false"`
	// Links say who stands above whom.
	Links []Link `json:"links" nullable:"false"`
	// Cut says that there is more than the bounds (500 accounts, 16 steps up and down) let show.
	Cut bool `json:"cut"`
}

// Node is one account of a hierarchy.
type Node struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Status         string `json:"status"`
	Health         string `json:"health"`
	Classification string `json:"classification"`
	// Depth counts the steps from the account asked for: negative above it, positive below.
	Depth int `json:"depth"`
}

// Link is one "stands above": by the child's parentAccountId, or by a relationship record.
type Link struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	// Relationship is the id of the relationship record and Type its relationshipType; empty for a parentAccountId.
	Relationship string `json:"relationship,omitzero"`
	Type         string `json:"type,omitzero"`
}

// Hierarchy draws the accounts above and below one, by parentAccountId and by relationships. Circles are shown once.
// It fails with not_found for an account that does not exist.
func (h *Room) Hierarchy(ctx context.Context, org, account string) (*Hierarchy, error) {
	root, err := h.account(ctx, org, account)
	if err != nil {
		return nil, err
	}
	d := drawing{room: h, org: org, seen: map[string]bool{account: true}, links: map[Link]bool{}}
	d.result.Account = account
	d.result.Nodes = []Node{nodeOf(root, 0)}
	d.result.Links = []Link{}
	if err := d.walk(ctx, root, -1, d.above); err != nil {
		return nil, err
	}
	if err := d.walk(ctx, root, +1, d.below); err != nil {
		return nil, err
	}
	slices.SortFunc(d.result.Nodes, func(a, b Node) int {
		if a.Depth != b.Depth {
			return a.Depth - b.Depth
		}
		return strings.Compare(a.ID, b.ID)
	})
	return &d.result, nil
}

func (h *Room) account(ctx context.Context, org, id string) (*carillon.Record, error) {
	return h.store.Record(ctx, org, carillon.Ref{Kind: carillon.KindAccount, ID: id})
}

func nodeOf(account *carillon.Record, depth int) Node {
	return Node{
		ID: account.ID, Name: text(account.Data, "name"), Status: text(account.Data, "status"),
		Health: text(account.Data, "health"), Classification: text(account.Data, "classification"), Depth: depth,
	}
}

// drawing is a hierarchy while it is being drawn.
type drawing struct {
	room   *Room
	org    string
	seen   map[string]bool
	links  map[Link]bool
	result Hierarchy
}

// walk goes breadth first from root, step (−1 up, +1 down) by step; next finds the links of an account in that direction.
func (d *drawing) walk(ctx context.Context, root *carillon.Record, step int, next func(context.Context, *carillon.Record) ([]Link, error)) error {
	front := []*carillon.Record{root}
	for depth := step; len(front) > 0; depth += step {
		var following []*carillon.Record
		for _, account := range front {
			links, err := next(ctx, account)
			if err != nil {
				return err
			}
			for _, link := range links {
				other := link.Parent
				if step > 0 {
					other = link.Child
				}
				record, err := d.visit(ctx, other, depth)
				if err != nil {
					return err
				}
				if record != nil {
					following = append(following, record)
				}
				if d.seen[other] && !d.links[link] {
					d.links[link] = true
					d.result.Links = append(d.result.Links, link)
				}
			}
		}
		front = following
	}
	return nil
}

// visit adds an account that was not met before, unless a bound or its absence forbids.
func (d *drawing) visit(ctx context.Context, id string, depth int) (*carillon.Record, error) {
	if d.seen[id] {
		return nil, nil
	}
	if len(d.result.Nodes) >= maxNodes || depth > maxDepth || depth < -maxDepth {
		d.result.Cut = true
		return nil, nil
	}
	record, err := d.room.account(ctx, d.org, id)
	if carillon.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	d.seen[id] = true
	d.result.Nodes = append(d.result.Nodes, nodeOf(record, depth))
	return record, nil
}

func (d *drawing) above(ctx context.Context, account *carillon.Record) ([]Link, error) {
	var links []Link
	if parent := text(account.Data, "parentAccountId"); parent != "" {
		links = append(links, Link{Parent: parent, Child: account.ID})
	}
	return d.relationships(ctx, links, "childAccountId", account.ID)
}

func (d *drawing) below(ctx context.Context, account *carillon.Record) ([]Link, error) {
	children, err := d.records(ctx, carillon.KindAccount, "parentAccountId", account.ID)
	if err != nil {
		return nil, err
	}
	links := make([]Link, len(children))
	for i, child := range children {
		links[i] = Link{Parent: account.ID, Child: child.ID}
	}
	return d.relationships(ctx, links, "parentAccountId", account.ID)
}

func (d *drawing) relationships(ctx context.Context, links []Link, member, account string) ([]Link, error) {
	found, err := d.records(ctx, carillon.KindRelationship, member, account)
	for _, r := range found {
		links = append(links, Link{
			Parent: text(r.Data, "parentAccountId"), Child: text(r.Data, "childAccountId"),
			Relationship: r.ID, Type: text(r.Data, "relationshipType"),
		})
	}
	return links, err
}

// records finds who names an account in a member; more than fit into the picture say that it is cut.
func (d *drawing) records(ctx context.Context, kind carillon.Kind, member, account string) ([]*carillon.Record, error) {
	found, err := d.room.store.Records(ctx, d.org, store.RecordQuery{
		Kind: kind, Limit: maxNodes + 1, RefersTo: store.Reference{Member: member, Kind: carillon.KindAccount, ID: account},
	})
	if err != nil {
		return nil, fmt.Errorf("find who names account %s: %w", account, err)
	}
	if len(found) > maxNodes {
		d.result.Cut = true
		found = found[:maxNodes]
	}
	return found, nil
}
