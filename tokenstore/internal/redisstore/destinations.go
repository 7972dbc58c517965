package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

var (
	putDestinationScript    = newScript("put_destination")
	deleteDestinationScript = newScript("delete_destination")
)

// sealedDestination is a destination as it is kept: all of it is sealed, as JSON bound to its id,
// so that nobody can send what is secret elsewhere by writing to Redis.
type sealedDestination struct {
	// Shown is protojson of the contract's Destination without its id and version.
	Shown  json.RawMessage `json:"shown"`
	URL    string          `json:"url,omitempty"`
	Secret string          `json:"secret,omitempty"`
}

var destinationID = regexp.MustCompile(`^d[a-z2-7]{16}$`)

// IsDestinationID tells whether a destination can have such an id.
func IsDestinationID(id string) bool { return destinationID.MatchString(id) }

func destinationBinding(id string) string { return "destination " + id }

// NotifyDestinations implements notify.Store: all of them, by name. One that can't be read is left
// out.
func (s *Store) NotifyDestinations(ctx context.Context) ([]notify.Destination, error) {
	all, _, err := s.ReadableDestinations(ctx)
	return all, err
}

// ReadableDestinations is NotifyDestinations, and returns the ids of those that are left out.
func (s *Store) ReadableDestinations(ctx context.Context) (all []notify.Destination, unreadable []string, err error) {
	records, versions, err := s.hashes(ctx, "list destinations", destinationsKey(), destinationVersionsKey())
	if err != nil {
		return nil, nil, err
	}
	for id, text := range records {
		destination, err := s.openDestination(id, text)
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "a destination of notifications can't be read", slog.String("id", id), slog.Any("error", err))
			unreadable = append(unreadable, id)
			continue
		}
		destination.Version = versions.count(id)
		all = append(all, destination)
	}
	slices.Sort(unreadable)
	slices.SortFunc(all, func(a, b notify.Destination) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, unreadable, nil
}

func (s *Store) openDestination(id, record string) (notify.Destination, error) {
	plain, err := s.keys.Open(record, destinationBinding(id))
	if err != nil {
		return notify.Destination{}, err
	}
	var sealed sealedDestination
	shown := &tokenstorev1.Destination{}
	if json.Unmarshal([]byte(plain.Reveal()), &sealed) != nil || asJSON.Unmarshal(sealed.Shown, shown) != nil {
		return notify.Destination{}, errors.New("what was sealed is no destination") // their errors could repeat the text
	}
	shown.Id = id
	return notify.Destination{Destination: shown, URL: secret.New(sealed.URL), Secret: secret.New(sealed.Secret)}, nil
}

// NotifyDestination returns one.
func (s *Store) NotifyDestination(ctx context.Context, id string) (notify.Destination, error) {
	all, err := s.NotifyDestinations(ctx)
	if err != nil {
		return notify.Destination{}, err
	}
	at := slices.IndexFunc(all, func(each notify.Destination) bool { return each.GetId() == id })
	if at < 0 {
		return notify.Destination{}, noDestination(id)
	}
	return all[at], nil
}

// PutDestination creates a destination, or replaces the one with its id: url and secret are as they
// were where they are nil. expected is the version that it must have; 0: any.
func (s *Store) PutDestination(ctx context.Context, put *tokenstorev1.Destination, url, secretText *string, expected uint64) (*tokenstorev1.Destination, error) {
	meant, mode := notify.Destination{Destination: proto.CloneOf(put)}, "new"
	if put.GetId() == "" {
		meant.Id = newID("d")
	} else {
		before, err := s.NotifyDestination(ctx, put.GetId())
		if err != nil {
			return nil, err
		}
		meant.URL, meant.Secret, mode = before.URL, before.Secret, "old"
	}
	if url != nil {
		meant.URL = secret.New(strings.TrimSpace(*url))
	}
	if secretText != nil {
		meant.Secret = secret.New(strings.TrimSpace(*secretText))
	}
	meant.Complete()
	if err := meant.Check(); err != nil {
		return nil, invalid(err)
	}
	if err := s.writeDestination(ctx, meant, mode, expected); err != nil {
		return nil, err
	}
	return meant.Destination, s.barrier.Sync(ctx)
}

// writeDestination seals and writes a destination, and sets its new version.
func (s *Store) writeDestination(ctx context.Context, meant notify.Destination, mode string, expected uint64) error {
	record, err := s.sealDestination(meant)
	if err != nil {
		return err
	}
	result, err := putDestinationScript.run(ctx, s.client, []string{destinationsKey(), destinationVersionsKey()},
		meant.GetId(), record, mode, expected, notify.MaxDestinations).StringSlice()
	switch {
	case err != nil:
		return storeError("put a destination", err)
	case result[0] == "gone":
		return noDestination(meant.GetId())
	case result[0] == "many":
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "there are %d destinations, which is the most that there may be: delete one first", notify.MaxDestinations)
	case result[0] == "conflict":
		return versionConflict("destination "+strconv.Quote(meant.GetName()), expected, result[1])
	}
	if meant.Version, err = strconv.ParseUint(result[1], 10, 64); err != nil {
		return fmt.Errorf("script put_destination returned the version %q", result[1])
	}
	return nil
}

func (s *Store) sealDestination(meant notify.Destination) (string, error) {
	shown := proto.CloneOf(meant.Destination)
	shown.Id, shown.Version = "", 0
	text, err := protojson.Marshal(shown)
	if err != nil {
		return "", fmt.Errorf("encode a destination: %w", err)
	}
	plain, err := json.Marshal(sealedDestination{Shown: text, URL: meant.URL.Reveal(), Secret: meant.Secret.Reveal()})
	if err != nil {
		return "", errors.New("encode a destination: its secrets are no text")
	}
	return s.keys.Seal(secret.New(string(plain)), destinationBinding(meant.GetId())), nil
}

// DeleteDestination removes one, with what is on its way there. expected is the version that it
// must have; 0: any.
func (s *Store) DeleteDestination(ctx context.Context, id string, expected uint64) error {
	if err := s.removeDestination(ctx, id, expected); err != nil {
		return err
	}
	return s.barrier.Sync(ctx)
}

func (s *Store) removeDestination(ctx context.Context, id string, expected uint64) error {
	keys := []string{destinationsKey(), destinationVersionsKey(), deliveriesKey(), deliveriesDueKey()}
	result, err := deleteDestinationScript.run(ctx, s.client, keys, id, expected).StringSlice()
	switch {
	case err != nil:
		return storeError("delete a destination", err)
	case result[0] == "gone":
		return noDestination(id)
	case result[0] == "conflict":
		return versionConflict("the destination", expected, result[1])
	}
	return nil
}

func noDestination(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND, "there is no destination %q", id)
}

// resealDestinations reseals the destinations of notifications.
func (s *Store) resealDestinations(ctx context.Context, done *Resealed) error {
	records, err := s.client.HGetAll(ctx, destinationsKey()).Result()
	if err != nil {
		return storeError("reseal destinations", err)
	}
	for id, record := range records {
		swapped, err := s.resealField(ctx, destinationsKey(), id, record, destinationBinding(id), done)
		if err != nil {
			return err
		}
		if swapped {
			done.Destinations++
		}
	}
	return nil
}
