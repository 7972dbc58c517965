package backup

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeStore gives the records that it has, and remembers what it is given.
type fakeStore struct {
	Store

	records []*tokenstorev1.BackupRecord
	// fails ends a backup after the records.
	fails error

	mu      sync.Mutex
	options *tokenstorev1.RestoreOptions
	given   []*tokenstorev1.BackupRecord
	// whole: the restore has come to its end.
	whole bool
}

func (f *fakeStore) Backup(context.Context, *tokenstorev1.BackupRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[tokenstorev1.BackupResponse], error) {
	return &givenStream{store: f}, nil
}

func (f *fakeStore) Restore(context.Context, ...grpc.CallOption) (grpc.ClientStreamingClient[tokenstorev1.RestoreRequest, tokenstorev1.RestoreResponse], error) {
	return &takenStream{store: f}, nil
}

// givenStream has a record a message.
type givenStream struct {
	grpc.ClientStream

	store *fakeStore
	next  int
}

func (s *givenStream) Recv() (*tokenstorev1.BackupResponse, error) {
	if s.next == len(s.store.records) {
		if s.store.fails != nil {
			return nil, s.store.fails
		}
		return nil, io.EOF
	}
	s.next++
	return &tokenstorev1.BackupResponse{Records: s.store.records[s.next-1 : s.next]}, nil
}

type takenStream struct {
	grpc.ClientStream

	store *fakeStore
}

func (s *takenStream) Send(request *tokenstorev1.RestoreRequest) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if (request.GetOptions() == nil) == (s.store.options == nil) {
		return errors.New("the options come first, and once")
	}
	if request.GetOptions() != nil {
		s.store.options = request.GetOptions()
	}
	s.store.given = append(s.store.given, request.GetRecords()...)
	return nil
}

func (s *takenStream) CloseAndRecv() (*tokenstorev1.RestoreResponse, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.whole = true
	return &tokenstorev1.RestoreResponse{Plan: &tokenstorev1.RestorePlan{
		MadeAt: timestamppb.New(madeAt), Digest: []byte{0xab, 0xcd},
		Counts: []*tokenstorev1.RestoreCount{{
			Kind: tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, Action: tokenstorev1.RestoreAction_RESTORE_ACTION_ADD, Count: 1,
		}},
		Items: []*tokenstorev1.RestoreItem{{
			Kind: tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, Action: tokenstorev1.RestoreAction_RESTORE_ACTION_ADD, Name: "cursor: work",
		}},
	}}, nil
}
