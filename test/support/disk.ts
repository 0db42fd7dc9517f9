// A disk of a few megabytes that can be full, where one can be had. Knows nothing of what is kept on it.

import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Disk {
  readonly path: string
  fill(): void
  free(): void
  close(): void
}

/** Why there is none, if there is none. */
export function noSmallDisk(): string | undefined {
  try {
    const disk = smallDisk(tmpdir(), 1)
    disk.close()
    return undefined
  } catch {
    return 'a small disk needs a tmpfs, which only root can mount'
  }
}

/** @param owner a folder whose owner it will belong to */
export function smallDisk(owner: string, megabytes: number): Disk {
  const path = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', path], {
      stdio: 'ignore',
    })
  } catch (error) {
    rmdirSync(path)
    throw error
  }
  const { uid, gid } = statSync(owner)
  chownSync(path, uid, gid)
  const ballast = join(path, 'ballast')
  return {
    path,
    fill() {
      const piece = Buffer.alloc(4096)
      try {
        for (;;) writeFileSync(ballast, piece, { flag: 'a' })
      } catch {
        // Full.
      }
    },
    free: () => rmSync(ballast),
    close() {
      execFileSync('umount', [path])
      rmdirSync(path)
    },
  }
}
