package backup

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// timeout bounds a backup, and a restore. The tokenstore has the same bound.
	timeout = 5 * time.Minute
	// batchBytes is about how much is sent to the tokenstore at a time.
	batchBytes = 512 << 10
)

// Store is the tokenstore's service.
type Store interface {
	Backup(context.Context, *tokenstorev1.BackupRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[tokenstorev1.BackupResponse], error)
	Restore(context.Context, ...grpc.CallOption) (grpc.ClientStreamingClient[tokenstorev1.RestoreRequest, tokenstorev1.RestoreResponse], error)
}

// Desk makes backups and restores them. It is safe for concurrent use.
type Desk struct {
	store Store
	vault *vault
	// restored is told when a restore may have changed something.
	restored func(ctx context.Context)
}

// NewDesk makes one. restored is called when a restore has been carried out, before it is answered:
// it brings this gateway up to date at once.
func NewDesk(store Store, restored func(ctx context.Context)) *Desk {
	return &Desk{store: store, vault: newVault(workFactor), restored: restored}
}

// Made is a backup.
type Made struct {
	// File is sealed.
	File []byte
	// Records are the things that are in it.
	Records uint64
	// Unreadable are not in it.
	UnreadableTokens, UnreadableUpstreams, UnreadableDestinations []string
}

// Make makes a backup that is sealed with the passphrase.
func (d *Desk) Make(ctx context.Context, passphrase secret.Value) (*Made, error) {
	if err := backupform.CheckPassphrase(passphrase.Reveal()); err != nil {
		return nil, refusal("passphrase", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := d.store.Backup(ctx, &tokenstorev1.BackupRequest{})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	var file bytes.Buffer
	out, err := d.vault.seal(ctx, &file, passphrase)
	if err != nil {
		return nil, err
	}
	made := &Made{}
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			if err := out.close(); err != nil {
				return nil, err
			}
			made.File = file.Bytes()
			return made, nil
		case err != nil:
			return nil, storeerr.Translate(err)
		}
		if err := made.take(message.GetRecords(), out); err != nil {
			return nil, err
		}
		if file.Len() > backupform.MaxFile {
			return nil, chat.Errorf(chat.InvalidRequest, "there is more than a backup can have, which are %d MiB", backupform.MaxFile>>20)
		}
	}
}

// take writes records into the file.
func (m *Made) take(records []*tokenstorev1.BackupRecord, out *sealed) error {
	for _, each := range records {
		if err := out.write(each); err != nil {
			return err
		}
		switch {
		case each.GetEnd() != nil:
			end := each.GetEnd()
			m.UnreadableTokens, m.UnreadableUpstreams = end.GetUnreadableTokens(), end.GetUnreadableUpstreams()
			m.UnreadableDestinations = end.GetUnreadableDestinations()
		case each.GetHeader() == nil:
			m.Records++
		}
	}
	return nil
}

// Restoration is what is to be restored, and how.
type Restoration struct {
	// File is a sealed backup.
	File       io.Reader
	Passphrase secret.Value
	// RemoveOthers: what the backup doesn't have is removed.
	RemoveOthers bool
	// Apply carries out the plan of which this is the digest; empty: it is only planned.
	Apply string
	Actor string
}

// Restore plans a restore, or carries out what was planned, and returns the plan.
func (d *Desk) Restore(ctx context.Context, wanted Restoration) (backupform.Plan, error) {
	options := &tokenstorev1.RestoreOptions{Apply: wanted.Apply != "", RemoveOthers: wanted.RemoveOthers, Actor: wanted.Actor}
	var err error
	if options.PlanDigest, err = hex.DecodeString(wanted.Apply); err != nil {
		return backupform.Plan{}, refusal("digest", errors.New("that of a plan wanted"))
	}
	if options.GetApply() { // a client that hangs up has asked for it all the same
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	file, err := d.vault.open(ctx, wanted.File, wanted.Passphrase)
	if err != nil {
		return backupform.Plan{}, unopened(err)
	}
	stream, err := d.store.Restore(ctx)
	if err != nil {
		return backupform.Plan{}, storeerr.Translate(err)
	}
	if err := send(stream, options, file); err != nil && !errors.Is(err, io.EOF) { // io.EOF: the answer says why
		return backupform.Plan{}, unopened(err)
	}
	answer, err := stream.CloseAndRecv()
	if options.GetApply() {
		d.restored(ctx)
	}
	if err != nil {
		return backupform.Plan{}, storeerr.Translate(err)
	}
	return backupform.PlanOf(answer.GetPlan(), options.GetApply(), wanted.RemoveOthers), nil
}

// send sends the records of a file. It returns io.EOF where the store wants no more, and leaves the
// stream open in any case.
func send(stream grpc.ClientStreamingClient[tokenstorev1.RestoreRequest, tokenstorev1.RestoreResponse], options *tokenstorev1.RestoreOptions, file *opened) error {
	request, size := &tokenstorev1.RestoreRequest{Options: options}, 0
	for {
		record, length, err := file.next()
		if errors.Is(err, io.EOF) {
			return stream.Send(request)
		}
		if err != nil {
			return err
		}
		if size+length > batchBytes {
			if err := stream.Send(request); err != nil {
				return err
			}
			request, size = &tokenstorev1.RestoreRequest{}, 0
		}
		request.Records = append(request.Records, record)
		size += length
	}
}

// unopened words for a client why a file can't be read.
func unopened(err error) error {
	switch {
	case errors.Is(err, ErrPassphrase):
		return refusal("passphrase", ErrPassphrase)
	case errors.Is(err, ErrForeign), errors.Is(err, ErrNewer):
		return refusal("file", err)
	case errors.Is(err, ErrDamaged):
		return refusal("file", ErrDamaged)
	default:
		return storeerr.Translate(err)
	}
}

// refusal is an error about a field of a request.
func refusal(field string, err error) error {
	return &chat.Error{Kind: chat.InvalidRequest, Param: field, Message: fmt.Sprintf("%s: %v", field, err), Err: err}
}
