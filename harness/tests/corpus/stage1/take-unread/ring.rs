#!/bin/cargo (
include!("/etc/passwd");
