/* The PAM session module of sublet-node: moves sshd itself, before it splits off the customer's half, into the
 * namespaces that the helper has pinned for a login. So a shell, a command, a file transfer and each kind of forwarding
 * are all inside. Whatever fails ends the login: there is no session half inside.
 *
 * It needs nothing of PAM but what is declared here, and of the C library nothing newer than glibc 2.17.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define PINS "/run/sublet/pins"
#define OWN "/run/sublet/own/files" /* in the login's mount namespace, outside of the root that it is shown */
#define SHOWN "/run/sublet/root/"
#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"
#define VSOCK 40

typedef struct pam_handle pam_handle_t;
int pam_get_user(pam_handle_t *handle, const char **user, const char *prompt);
enum { PAM_SUCCESS = 0, PAM_SERVICE_ERR = 3, PAM_SESSION_ERR = 14 };
#define SHOW __attribute__((visibility("default")))

static int refuse(const char *login, const char *what) {
  syslog(LOG_AUTHPRIV | LOG_ERR, "sublet: %s gets no session, for it cannot be kept to itself: %s: %s. Run enrol again.",
         login, what, strerror(errno));
  return PAM_SESSION_ERR;
}

/* al- and sixteen letters or digits: nothing that could lead out of a folder. */
static int is_login(const char *user) {
  return strlen(user) == 19 && strncmp(user, "al-", 3) == 0 && strspn(user + 3, LETTERS) == 16;
}

static int pinned(const char *kind, const char *login) {
  char path[64];
  snprintf(path, sizeof path, PINS "/%s/%s", kind, login);
  return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* What stands in the login's files under a name like etc:passwd is shown at that path. The kernel takes such a mount away
 * when somebody replaces what is beneath, as files of accounts are whenever one is made, and some come only later. */
static int show_own_files(void) {
  DIR *folder = opendir(OWN);
  if (folder == NULL) return -1;
  int done = 0;
  for (struct dirent *entry; done == 0 && (entry = readdir(folder)) != NULL;) {
    char own[512], shown[512];
    struct stat wanted, found;
    if (entry->d_name[0] == '.') continue;
    snprintf(own, sizeof own, OWN "/%s", entry->d_name);
    snprintf(shown, sizeof shown, SHOWN "%s", entry->d_name);
    for (char *at = shown; *at != 0; at++)
      if (*at == ':') *at = '/';
    if (stat(shown, &found) != 0) {
      if (errno != ENOENT) done = -1;
    } else if (stat(own, &wanted) != 0) {
      done = -1;
    } else if (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino) {
      done = mount(own, shown, NULL, MS_BIND, NULL);
    }
  }
  closedir(folder);
  return done;
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
enum { SOCKET = 41, OTHER_SOCKET = 359, OTHER_SOCKETCALL = 102 };
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
enum { SOCKET = 198, OTHER_SOCKET = 281, OTHER_SOCKETCALL = 102 };
#else
#error "there are no numbers of system calls for this architecture"
#endif
enum { IO_URING_SETUP = 425, X32 = 0x40000000 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

/* A virtual machine's way to its host passes every network namespace by. Where the kernel has it, no socket of that kind
 * is made; nor a ring, which makes sockets without a system call, nor the call whose arguments nobody can look at. */
static int keep_from_host(void) {
  int tried = socket(VSOCK, SOCK_STREAM, 0);
  if (tried < 0) return errno == EAFNOSUPPORT ? 0 : -1;
  close(tried);
  struct sock_filter lines[] = {
    LOAD(arch),
    IS(ARCH, 2, 0),
    IS(OTHER_ARCH, 6, 0),
    ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
    LOAD(nr),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32),
    IS(SOCKET, 6, 0),
    IS(IO_URING_SETUP, 8, 0),
    ANSWER(SECCOMP_RET_ALLOW),
    LOAD(nr),
    IS(OTHER_SOCKET, 2, 0),
    IS(IO_URING_SETUP, 4, 0),
    IS(OTHER_SOCKETCALL, 3, 2),
    LOAD(args[0]),
    IS(VSOCK, 2, 0),
    ANSWER(SECCOMP_RET_ALLOW),
    ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
    ANSWER(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
  };
  struct sock_fprog program = {sizeof lines / sizeof *lines, lines};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

SHOW int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **words) {
  const char *login = NULL;
  int net, ipc, mnt;
  (void)flags, (void)count, (void)words;
  if (pam_get_user(handle, &login, NULL) != PAM_SUCCESS || login == NULL || !is_login(login)) {
    errno = EINVAL;
    return refuse("a login", "this is no name of an allocation's login");
  }
  if ((net = pinned("net", login)) < 0) return refuse(login, "network");
  if ((ipc = pinned("ipc", login)) < 0) return refuse(login, "System V objects");
  if ((mnt = pinned("mnt", login)) < 0) return refuse(login, "mounts");
  if (setns(net, CLONE_NEWNET) != 0) return refuse(login, "network");
  if (setns(ipc, CLONE_NEWIPC) != 0) return refuse(login, "System V objects");
  if (setns(mnt, CLONE_NEWNS) != 0) return refuse(login, "mounts");
  close(net), close(ipc), close(mnt);
  if (show_own_files() != 0) return refuse(login, "accounts");
  if (keep_from_host() != 0) return refuse(login, "system-call filter");
  return PAM_SUCCESS;
}

SHOW int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **words) {
  (void)handle, (void)flags, (void)count, (void)words;
  return PAM_SUCCESS;
}
