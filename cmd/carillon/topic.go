package main

import (
	"context"
	"errors"
	"fmt"

	"carillon"
	"carillon/access"
	"carillon/dialect/platform"
)

// What the platform that Carillon stands in for does by configuration: one topic gets all that happens.
const (
	ticketTopicVariable     = "AWS_SNS_TICKET_TOPIC_ARN"
	ticketTopicSubscription = "sns-ticket-topic"
)

// keepTicketTopic sees to it that a subscription tells the topic all platform events of the org. One that is there keeps
// its place and whatever people changed about it; only its topic follows. It fails with a usage error if the topic is none.
func (h *house) keepTicketTopic(ctx context.Context, org, arn string) error {
	if err := access.CheckOrg(org); err != nil {
		return wrongUsage("--default-org %s", err.Faults[0].Reason)
	}
	subscriptions, err := h.store.Subscriptions(ctx, org)
	if err != nil {
		return fmt.Errorf("look for subscription %s: %w", ticketTopicSubscription, err)
	}
	sink := carillon.Sink{Type: carillon.SinkSNS, TopicARN: arn}
	for _, s := range subscriptions {
		if s.Name != ticketTopicSubscription || s.Sink.Type != carillon.SinkSNS {
			continue
		}
		if s.Sink.TopicARN == arn {
			return nil
		}
		h.log.Info("the ticket topic has changed", "org", org, "subscription", s.ID, "from", s.Sink.TopicARN, "to", arn)
		s.Sink = sink
		return ticketTopicError(h.engine.Update(ctx, s))
	}
	s := &carillon.Subscription{
		Org: org, Name: ticketTopicSubscription, Dialect: platform.Name, Sink: sink, Start: carillon.Start{Mode: carillon.StartNow},
	}
	if err := h.engine.Create(ctx, s); err != nil {
		return ticketTopicError(err)
	}
	h.log.Info("the ticket topic has its subscription", "org", org, "subscription", s.ID, "topic", arn)
	return nil
}

// ticketTopicError names the variable where the engine names a member.
func ticketTopicError(err error) error {
	var fault *carillon.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault) && fault.Code == carillon.CodeInvalid && len(fault.Faults) > 0:
		return wrongUsage("%s %s", ticketTopicVariable, fault.Faults[0].Reason)
	default:
		return fmt.Errorf("keep subscription %s: %w", ticketTopicSubscription, err)
	}
}
