package workshop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"carillon"
	"carillon/apps"
)

// feed is what an app wants to hear of one product.
type feed struct {
	product string
	events  []string
}

// handsPerFeed is how many messages of one subscription an app handles at a time.
const handsPerFeed = 4

// feeds gives what the app registers for that the house can tell. All modules of an app are of the vendor's suite.
func (w *Workshop) feeds(in *installation) []feed {
	var list []feed
	for _, p := range in.parsed.Products {
		product := p.Name
		if in.parsed.Modular() && product != apps.PlatformProduct {
			product = productSuite
		}
		if product != productSuite && product != productClassic && product != apps.PlatformProduct {
			continue // another of the vendor's
		}
		at := slices.IndexFunc(list, func(f feed) bool { return f.product == product })
		for _, l := range p.Events {
			if _, told := w.catalogue.typeOf(product, l.Event); !told {
				continue
			}
			if at < 0 {
				at = len(list)
				list = append(list, feed{product: product})
			}
			if !slices.Contains(list[at].events, l.Event) {
				list[at].events = append(list[at].events, l.Event)
			}
		}
	}
	return list
}

// feed makes the app's subscriptions what it registers: those that it has go on where they stand. It gives their ids.
func (w *Workshop) feed(ctx context.Context, in *installation) (ids []string, err error) {
	if in.trial {
		return nil, nil
	}
	fed, err := w.fedBy(ctx, in.app)
	if err != nil {
		return in.app.Subscriptions, err
	}
	fed = slices.DeleteFunc(fed, func(s *carillon.Subscription) bool {
		return !slices.Contains(in.app.Subscriptions, s.ID) && !(in.adopts && isFeed(s))
	})
	for _, f := range w.feeds(in) {
		at := slices.IndexFunc(fed, func(s *carillon.Subscription) bool { return productOf(s) == f.product })
		if at < 0 {
			s := &carillon.Subscription{
				Org: in.app.Org, Name: feedName + in.app.Name + " (" + f.product + ")", Dialect: dialectOf(f.product),
				Settings: settingsOf(f.product), Events: f.events, Sink: carillon.Sink{Type: carillon.SinkApp, App: in.app.ID},
				Concurrency: handsPerFeed,
				Echo:        true, // an app is no system of the vendor's
			}
			if err := w.config.Feeder.Create(ctx, s); err != nil {
				return ids, fmt.Errorf("feed the app: %w", err)
			}
			ids = append(ids, s.ID)
			continue
		}
		s := fed[at]
		fed = slices.Delete(fed, at, at+1)
		ids = append(ids, s.ID)
		if slices.Equal(s.Events, f.events) {
			continue
		}
		s.Events = f.events
		if err := w.config.Feeder.Update(ctx, s); err != nil {
			return ids, fmt.Errorf("feed the app: %w", err)
		}
	}
	for _, s := range fed {
		if deleteErr := w.config.Feeder.Delete(ctx, s.Org, s.ID); deleteErr != nil {
			ids, err = append(ids, s.ID), errors.Join(err, deleteErr)
		}
	}
	return ids, err
}

// feedName begins the names of the subscriptions that feed makes.
const feedName = "app "

// isFeed reports whether a subscription that leads to an app looks as if feed made it; the name that the app had then may be another.
func isFeed(s *carillon.Subscription) bool {
	return strings.HasPrefix(s.Name, feedName) && strings.HasSuffix(s.Name, " ("+productOf(s)+")") && s.Filter == "" && s.Concurrency == handsPerFeed
}

// fedBy lists the subscriptions that lead to an app, those that people have made included.
func (w *Workshop) fedBy(ctx context.Context, a *carillon.App) ([]*carillon.Subscription, error) {
	all, err := w.config.Store.Subscriptions(ctx, a.Org)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s *carillon.Subscription) bool {
		return s.Sink.Type != carillon.SinkApp || s.Sink.App != a.ID
	}), nil
}
