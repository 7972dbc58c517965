package grpcapi

import (
	"context"
	"time"

	"carousel.internal/proto/cursor/checksum"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ChecksumServer implements ChecksumService.
type ChecksumServer struct {
	tokenstorev1.UnsafeChecksumServiceServer
}

// GenerateChecksum implements ChecksumService.
func (ChecksumServer) GenerateChecksum(_ context.Context, request *tokenstorev1.GenerateChecksumRequest) (*tokenstorev1.GenerateChecksumResponse, error) {
	now := time.Now()
	if request.GetRepair() == "" {
		return &tokenstorev1.GenerateChecksumResponse{Checksum: checksum.New().At(now)}, nil
	}
	return &tokenstorev1.GenerateChecksumResponse{Checksum: checksum.Repair(request.GetRepair(), now)}, nil
}
