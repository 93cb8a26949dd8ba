resource "aws_s3_bucket" "labels" {
  bucket = "parcels-labels-example"
}

resource "aws_s3_bucket_acl" "labels" {
  bucket = aws_s3_bucket.labels.id
  acl    = "public-read"
}

resource "aws_s3_bucket" "backups" {
  bucket = "parcels-backups-example"
}

resource "aws_s3_bucket_acl" "backups" {
  bucket = aws_s3_bucket.backups.id
  acl    = "private"
}
