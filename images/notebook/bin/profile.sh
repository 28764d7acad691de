# What every shell of a user has: Lab's terminal, SSH, and the server itself (start-server reads this too). A login
# shell starts from the system's PATH, so the image's own is put back.
case ":$PATH:" in
*:/opt/tf29/bin:*) ;;
*) PATH="$HOME/.tf29/$KERNEL_ID/bin:/opt/tf29/bin:$PATH" ;;
esac
export PATH
# A matplotlibrc of the user's own wins.
[ -e "$HOME/.config/matplotlib/matplotlibrc" ] || export MATPLOTLIBRC=/opt/tf29/etc/matplotlibrc
# Without a GPU, TensorFlow's warnings are all about the missing libraries of one.
if [ -e /dev/nvidiactl ]; then
    export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-1}"
else
    export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
fi
