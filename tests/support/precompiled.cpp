// SPDX-License-Identifier: MIT
// Empty: a source that uses the precompiled header, so that it is built.
