module carousel.internal/deploy

go 1.26.0

require (
	carousel.internal/gateway v0.0.0
	carousel.internal/proto v0.0.0
	carousel.internal/tokenstore v0.0.0
)

replace (
	carousel.internal/gateway => ../gateway
	carousel.internal/proto => ../proto
	carousel.internal/tokenstore => ../tokenstore
)
