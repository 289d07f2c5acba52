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
#include <stdlib.h>
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
#define STARTS "/var/lib/sublet/starts"
#define MOST_BYTES (1 << 18) /* more than the helper writes */
#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"
#define VSOCK 40
#define GROUPS "/sys/fs/cgroup"
#define BUFFERS "/memory.kmem.tcp.limit_in_bytes"
#define MOST_SESSIONS 64

typedef struct pam_handle pam_handle_t;
int pam_get_user(pam_handle_t *handle, const char **user, const char *prompt);
int pam_putenv(pam_handle_t *handle, const char *name_value);
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

/* The allocation's variables, each NAME=value with a zero byte behind it. Only root ever reads the file, so it is read
 * before the login's own mounts are joined; sshd hands them on to whatever the session runs. */
static int read_variables(const char *login, char **text, size_t *length) {
  char path[64];
  struct stat found;
  *text = NULL, *length = 0;
  snprintf(path, sizeof path, STARTS "/%s/environment", login);
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return errno == ENOENT ? 0 : -1;
  int done = fstat(file, &found);
  if (done == 0 && (found.st_uid != 0 || found.st_size > MOST_BYTES)) errno = EINVAL, done = -1;
  if (done == 0 && (*text = malloc((size_t)found.st_size + 1)) == NULL) done = -1;
  while (done == 0 && *length < (size_t)found.st_size) {
    ssize_t got = read(file, *text + *length, (size_t)found.st_size - *length);
    if (got > 0) *length += (size_t)got;
    else if (got == 0 || errno != EINTR) errno = got == 0 ? EIO : errno, done = -1;
  }
  if (done == 0) (*text)[*length] = 0;
  close(file);
  return done;
}

static int put_variables(pam_handle_t *handle, char *text, size_t length) {
  for (size_t at = 0; at < length; at += strlen(text + at) + 1)
    if (pam_putenv(handle, text + at) != PAM_SUCCESS) return errno = ENOMEM, -1;
  free(text);
  return 0;
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

/* Two things that pass everything by that keeps a login to itself: a virtual machine's way to its host, which no network
 * namespace holds, and rings of io_uring, which make sockets without a system call and hold open files where nobody can
 * look. No socket of that kind is made, and no ring; nor the call whose arguments nobody can look at. */
static int filter_calls(void) {
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

/* Where the control group of this connection is, which systemd has made by now: in the hierarchy of this controller, as
 * /proc/self/cgroup names it, which is mounted at this folder. Empty outside of a login's slice, as without systemd. */
static void own_group(const char *controller, const char *folder, char *path, size_t room) {
  char line[512];
  FILE *groups = fopen("/proc/self/cgroup", "re");
  *path = 0;
  while (groups != NULL && fgets(line, sizeof line, groups) != NULL) {
    char *name = strchr(line, ':'), *group = name == NULL ? NULL : strchr(++name, ':');
    if (group == NULL) continue;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    if (strcmp(name, controller) == 0 && strstr(group, "/user.slice/user-") != NULL)
      snprintf(path, room, GROUPS "/%s%s", folder, group);
  }
  if (groups != NULL) fclose(groups);
}

/* Where each controller has a hierarchy of its own, memory of network buffers is counted apart, of what each group's
 * own processes open, and only once the group has a limit of it. The limit is the slice's, which the helper sets: with
 * this the connection's group counts. */
static int count_buffers(void) {
  char path[640];
  own_group("memory", "memory", path, sizeof path - sizeof BUFFERS);
  if (*path == 0) return 0;
  strcat(path, BUFFERS);
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return errno == ENOENT ? 0 : -1;
  int done = write(file, "-1", 2) == 2 ? 0 : -1;
  close(file);
  return done;
}

/* A session that systemd gave no control group would have none of its login's limits, and every GPU of the node. */
static int is_without_limits(void) {
  char path[640];
  if (access("/run/systemd/system", F_OK) != 0) return 0;
  own_group("name=systemd", "systemd", path, sizeof path);
  if (*path == 0) own_group("", ".", path, sizeof path);
  return *path == 0;
}

/* Each connection is a session of systemd-logind, which has so many for all. This one is among those counted. */
static int is_one_too_many(void) {
  char path[640];
  DIR *sessions;
  int count = 0;
  own_group("name=systemd", "systemd", path, sizeof path);
  if (*path == 0) own_group("", ".", path, sizeof path);
  char *session = strrchr(path, '/');
  if (session == NULL || strncmp(session, "/session-", 9) != 0) return 0;
  *session = 0;
  if ((sessions = opendir(path)) == NULL) return 1;
  for (struct dirent *entry; (entry = readdir(sessions)) != NULL;) count += strncmp(entry->d_name, "session-", 8) == 0;
  closedir(sessions);
  return count > MOST_SESSIONS;
}

SHOW int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **words) {
  const char *login = NULL;
  char *variables;
  size_t length;
  int net, ipc, mnt;
  (void)flags, (void)count, (void)words;
  if (pam_get_user(handle, &login, NULL) != PAM_SUCCESS || login == NULL || !is_login(login)) {
    errno = EINVAL;
    return refuse("a login", "this is no name of an allocation's login");
  }
  if (is_without_limits()) {
    errno = ENOENT;
    return refuse(login, "control group");
  }
  if (is_one_too_many()) {
    syslog(LOG_AUTHPRIV | LOG_ERR, "sublet: %s gets no session, for it has %d already", login, MOST_SESSIONS);
    return PAM_SESSION_ERR;
  }
  if (count_buffers() != 0) return refuse(login, "memory of its network buffers");
  if (read_variables(login, &variables, &length) != 0) return refuse(login, "variables");
  if ((net = pinned("net", login)) < 0) return refuse(login, "network");
  if ((ipc = pinned("ipc", login)) < 0) return refuse(login, "System V objects");
  if ((mnt = pinned("mnt", login)) < 0) return refuse(login, "mounts");
  if (setns(net, CLONE_NEWNET) != 0) return refuse(login, "network");
  if (setns(ipc, CLONE_NEWIPC) != 0) return refuse(login, "System V objects");
  if (setns(mnt, CLONE_NEWNS) != 0) return refuse(login, "mounts");
  close(net), close(ipc), close(mnt);
  if (show_own_files() != 0) return refuse(login, "accounts");
  if (filter_calls() != 0) return refuse(login, "system-call filter");
  if (put_variables(handle, variables, length) != 0) return refuse(login, "variables");
  return PAM_SUCCESS;
}

SHOW int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **words) {
  (void)handle, (void)flags, (void)count, (void)words;
  return PAM_SUCCESS;
}
