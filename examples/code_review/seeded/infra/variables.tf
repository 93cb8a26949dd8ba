variable "vpc_id" {
  description = "The VPC that the service runs in"
  type        = string
}
