package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	putResponseScript    = newScript("put_response")
	trimResponsesScript  = newScript("trim_responses")
	deleteResponseScript = newScript("delete_response")
	resealResponseScript = newScript("reseal_response")
)

// MaxResponse bounds what is kept of one answer and its input together, in bytes.
const MaxResponse = 4 << 20

const (
	// maxResponseRecord bounds a record: an answer with all that stands beside it.
	maxResponseRecord = MaxResponse + 64<<10
	maxResponseModel  = 1024 // bytes
	// trimStep is how many answers go at a time, so that others hardly wait.
	trimStep = 200
	// maxPutTries bounds the attempts of a put that others get ahead of.
	maxPutTries = 20
)

var responseIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// ResponseBounds say how much is kept of answers that clients go on with.
type ResponseBounds struct {
	// Age is how long each is kept.
	Age time.Duration
	// Bytes is what all may take together, as they are stored; 0 keeps none.
	Bytes int64
}

// PutResponse keeps an answer, in place of one of the same id and owner.
func (s *Store) PutResponse(ctx context.Context, response *tokenstorev1.StoredResponse) error {
	if err := checkResponse(response); err != nil {
		return err
	}
	if s.responses.Bytes == 0 {
		return tooLarge("no response is kept here (RESPONSE_STORE_MB is 0)")
	}
	if err := s.space.acceptsResponses(); err != nil {
		return err
	}
	record, err := proto.Marshal(response)
	if err != nil {
		return fmt.Errorf("response: record: %w", err)
	}
	digest := responseDigest(response.GetId(), response.GetOwnerHash())
	sealed := s.sealPacked(record, responseBinding(digest))
	if int64(len(sealed))+responseOverhead > s.responses.Bytes {
		return tooLarge("the response takes more than all together may (RESPONSE_STORE_MB)")
	}
	return s.putResponse(ctx, digest, sealed)
}

// putResponse makes room, step by step where much has to go, until there is enough.
func (s *Store) putResponse(ctx context.Context, digest string, sealed []byte) error {
	keys := append(responseKeys(), responseKey(digest))
	for range maxPutTries {
		kept, err := putResponseScript.run(ctx, s.client, keys,
			responseKeyPrefix(), s.responses.Age.Milliseconds(), s.responses.Bytes, trimStep, digest, sealed).Bool()
		if err != nil || kept {
			return storeError("keep a response", err)
		}
		if err := s.trimResponses(ctx, s.responses.Bytes-int64(len(sealed))-responseOverhead); err != nil {
			return err
		}
	}
	return &rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, Message: "others take the room for kept responses all the time", RetryAfter: time.Second,
	}
}

// TrimResponses forgets what is kept beyond the bounds, which may be narrower than before.
func (s *Store) TrimResponses(ctx context.Context) error {
	return s.trimResponses(ctx, s.responses.Bytes)
}

func (s *Store) trimResponses(ctx context.Context, goal int64) error {
	for {
		done, err := trimResponsesScript.run(ctx, s.client, responseKeys(),
			responseKeyPrefix(), max(s.responses.Age.Milliseconds(), 1), goal, trimStep).Bool()
		if err != nil || done {
			return storeError("forget kept responses", err)
		}
	}
}

// Response returns a kept answer of the owner.
func (s *Store) Response(ctx context.Context, id string, owner []byte) (*tokenstorev1.StoredResponse, error) {
	if err := checkOwner(owner); err != nil {
		return nil, err
	}
	digest := responseDigest(id, owner)
	sealed, err := s.client.Get(ctx, responseKey(digest)).Result()
	if errors.Is(err, redis.Nil) {
		return nil, noResponse()
	}
	if err != nil {
		return nil, storeError("read a response", err)
	}
	record, err := s.openPacked(sealed, responseBinding(digest), maxResponseRecord)
	if err != nil {
		return nil, fmt.Errorf("open a kept response: %w", err)
	}
	response := &tokenstorev1.StoredResponse{}
	if err := proto.Unmarshal([]byte(record), response); err != nil {
		return nil, fmt.Errorf("a kept response: %w", err)
	}
	return response, nil
}

// DeleteResponse forgets a kept answer of the owner.
func (s *Store) DeleteResponse(ctx context.Context, id string, owner []byte) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	digest := responseDigest(id, owner)
	there, err := deleteResponseScript.run(ctx, s.client, append(responseKeys(), responseKey(digest)), digest).Bool()
	if err != nil {
		return storeError("delete a response", err)
	}
	if !there {
		return noResponse()
	}
	return s.barrier.Sync(ctx)
}

// resealResponses reseals the kept answers.
func (s *Store) resealResponses(ctx context.Context, done *Resealed) error {
	digests, err := s.client.ZRange(ctx, responseIndexKey(), 0, -1).Result()
	if err != nil {
		return storeError("reseal responses", err)
	}
	for _, digest := range digests {
		if err := s.resealResponse(ctx, digest, done); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) resealResponse(ctx context.Context, digest string, done *Resealed) error {
	sealed, err := s.client.Get(ctx, responseKey(digest)).Result()
	if errors.Is(err, redis.Nil) { // it has expired
		return nil
	}
	if err != nil {
		return storeError("reseal responses", err)
	}
	if s.packedWithCurrent(sealed) {
		return nil
	}
	record, err := s.openPacked(sealed, responseBinding(digest), maxResponseRecord)
	if err != nil {
		done.Unreadable++
		return nil //nolint:nilerr // it is counted
	}
	keys := []string{responseSizesKey(), responseBytesKey(), responseKey(digest)}
	swapped, err := resealResponseScript.run(ctx, s.client, keys, digest, sealed, s.sealPacked([]byte(record), responseBinding(digest))).Bool()
	if err == nil && swapped {
		done.Responses++
	}
	return storeError("reseal responses", err)
}

// responseOverhead is what the scripts count for an answer beside its bytes.
const responseOverhead = 256

// responseDigest names an answer of an owner, so that nobody else's key leads to it.
func responseDigest(id string, owner []byte) string {
	digest := sha256.Sum256(append(owner[:len(owner):len(owner)], id...))
	return hex.EncodeToString(digest[:])
}

func responseBinding(digest string) string { return "response " + digest }

func checkResponse(response *tokenstorev1.StoredResponse) error {
	refuse := func(format string, args ...any) error {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, format, args...)
	}
	elsewhere := response.GetUpstream() != ""
	said := len(response.GetAnswer()) + len(response.GetInput())
	switch {
	case response == nil:
		return refuse("response: missing")
	case !responseIDForm.MatchString(response.GetId()):
		return refuse("response.id: 1 to 128 letters, digits, `_` and `-`")
	case elsewhere && token.CheckUpstreamName(response.GetUpstream()) != nil:
		return refuse("response.upstream: the name of an upstream wanted")
	case elsewhere && !tokenIDForm.MatchString(response.GetTokenId()):
		return refuse("response.token_id: the id of the token wanted with which the upstream has made it")
	case elsewhere && said > 0:
		return refuse("response.answer: the upstream keeps it; nothing wanted here")
	case !elsewhere && len(response.GetAnswer()) == 0:
		return refuse("response.answer: missing")
	case len(response.GetModel()) > maxResponseModel:
		return refuse("response.model: at most %d bytes", maxResponseModel)
	case said > MaxResponse:
		return tooLarge("answer and input take %d bytes together, at most %d are kept", said, MaxResponse)
	}
	return checkOwner(response.GetOwnerHash())
}

func checkOwner(owner []byte) error {
	if len(owner) != sha256.Size {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "owner_hash: must be %d bytes", sha256.Size)
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE, format, args...)
}

// noResponse is the same for what is not there and for what is another's.
func noResponse() error {
	return rpcerr.New(tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND, "there is no such response")
}
