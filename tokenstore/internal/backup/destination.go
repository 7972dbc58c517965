package backup

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
)

// destinationEntry is a destination of notifications. Names are not unique, so its id tells it from
// others.
func destinationEntry(record *tokenstorev1.BackupRecord) *entry {
	of := record.GetDestination().GetDestination()
	one := named(tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION, of.GetId(), record)
	one.name = shown(of.GetName() + " (" + of.GetId() + ")")
	return one
}

// destinationOf is the destination that a record is of, complete.
func destinationOf(kept *tokenstorev1.BackupDestination) notify.Destination {
	of := notify.Destination{Destination: proto.CloneOf(kept.GetDestination()), URL: secret.New(kept.GetUrl()), Secret: secret.New(kept.GetSecret())}
	if of.Destination == nil {
		of.Destination = &tokenstorev1.Destination{}
	}
	of.Complete()
	return of
}

func checkDestination(kept *tokenstorev1.BackupDestination) error {
	if !redisstore.IsDestinationID(kept.GetDestination().GetId()) {
		return errors.New("its id is none that a destination has")
	}
	return destinationOf(kept).Check()
}

// shownDestination says of a new destination what comes of it: people are told of what happens
// here.
func shownDestination(kept *tokenstorev1.BackupDestination) string {
	of := destinationOf(kept)
	parts := []string{of.GetKind()}
	if of.GetMaskedUrl() != "" {
		parts = append(parts, of.GetMaskedUrl())
	}
	if to := of.GetMail().GetTo(); len(to) > 0 {
		parts = append(parts, strings.Join(to, " "))
	}
	if of.GetDisabled() {
		return shown(strings.Join(append(parts, "disabled"), ", "))
	}
	return shown(strings.Join(parts, ", ")) + ": is told of alerts from then on"
}

func (s *snapshot) lookAtDestinations(ctx context.Context, store *redisstore.Store) error {
	destinations, unreadable, err := store.ReadableDestinations(ctx)
	if err != nil {
		return err
	}
	s.unreadableDestinations = unreadable
	for _, each := range destinations {
		version := each.GetVersion()
		each.Version, each.MaskedUrl, each.HasSecret = 0, "", false
		kept := &tokenstorev1.BackupDestination{Destination: each.Destination, Url: each.URL.Reveal(), Secret: each.Secret.Reveal()}
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Destination{Destination: kept}}).version = version
	}
	return nil
}
