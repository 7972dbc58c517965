module carousel.internal/tokenstore

go 1.26.0

require carousel.internal/proto v0.0.0

replace carousel.internal/proto => ../proto
